package bitbuckettest

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/confmirror/confmirror/mirror"
)

// File is a file as it is in a commit.
type File struct {
	Path    string
	Mode    string
	ID      string // the blob's
	Content []byte // nil for a submodule
}

// Tree lists every file of a revision (a branch, a commit) by path.
func (r *Repo) Tree(revision string) ([]File, error) {
	list, err := r.git(nil, "ls-tree", "-r", "-z", revision)
	if err != nil {
		return nil, err
	}
	var files []File
	var ids bytes.Buffer
	for entry := range strings.SplitSeq(strings.TrimSuffix(list, "\x00"), "\x00") {
		meta, path, ok := strings.Cut(entry, "\t")
		if !ok {
			continue // an empty tree
		}
		fields := strings.Fields(meta)
		files = append(files, File{Path: path, Mode: fields[0], ID: fields[2]})
		if fields[1] == "blob" {
			fmt.Fprintln(&ids, fields[2])
		}
	}
	blobs, err := r.git(&ids, "cat-file", "--batch")
	if err != nil {
		return nil, err
	}
	return files, fillContents(files, blobs)
}

// fillContents reads the answer of cat-file --batch: "<id> blob <size>\n<content>\n" each.
func fillContents(files []File, batch string) error {
	in := bufio.NewReader(strings.NewReader(batch))
	for i := range files {
		if files[i].Mode == ModeSubmodule {
			continue
		}
		header, err := in.ReadString('\n')
		if err != nil {
			return err
		}
		fields := strings.Fields(header)
		size, err := strconv.Atoi(fields[len(fields)-1])
		if err != nil {
			return fmt.Errorf("bitbuckettest: %s: %q", files[i].Path, header)
		}
		files[i].Content = make([]byte, size)
		if _, err := io.ReadFull(in, files[i].Content); err != nil {
			return err
		}
		_, _ = in.Discard(1)
	}
	return nil
}

// Files are the contents of a revision by path.
func (r *Repo) Files(revision string) (map[string]string, error) {
	tree, err := r.Tree(revision)
	if err != nil {
		return nil, err
	}
	files := make(map[string]string, len(tree))
	for _, f := range tree {
		files[f.Path] = string(f.Content)
	}
	return files, nil
}

// Commit is an entry of a log.
type Commit struct {
	Hash              mirror.Hash
	Parents           []mirror.Hash
	Author, Committer mirror.Signature
	Message           string
}

// Subject is the message's first line.
func (c Commit) Subject() string {
	subject, _, _ := strings.Cut(c.Message, "\n")
	return subject
}

// Log lists the commits of a revision, newest first; further arguments are git log's.
func (r *Repo) Log(revision string, args ...string) ([]Commit, error) {
	const fields = "%H%x00%P%x00%an%x00%ae%x00%at%x00%cn%x00%ce%x00%ct%x00%B"
	const n = 9
	out, err := r.git(nil, append(append([]string{"log", "-z", "--format=tformat:" + fields, revision}, args...), "--")...)
	if err != nil {
		return nil, err
	}
	var commits []Commit
	for f := strings.Split(out, "\x00"); len(f) >= n; f = f[n:] {
		c := Commit{
			Hash:      mirror.Hash(f[0]),
			Author:    mirror.Signature{Name: f[2], Email: f[3], When: unixTime(f[4])},
			Committer: mirror.Signature{Name: f[5], Email: f[6], When: unixTime(f[7])},
			Message:   f[8],
		}
		for parent := range strings.FieldsSeq(f[1]) {
			c.Parents = append(c.Parents, mirror.Hash(parent))
		}
		commits = append(commits, c)
	}
	return commits, nil
}

func unixTime(s string) time.Time {
	n, _ := strconv.ParseInt(s, 10, 64)
	return time.Unix(n, 0).UTC()
}
