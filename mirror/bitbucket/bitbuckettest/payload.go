package bitbuckettest

import (
	"encoding/json"
	"fmt"
	"html"
	"slices"
	"strings"
	"time"

	"github.com/confmirror/confmirror/mirror"
)

// listedCommits is how many commits a change lists; more make it "truncated".
const listedCommits = 5

type pushBodies struct{ full, empty []byte }

// pushBodies builds the repo:push body
// (https://support.atlassian.com/bitbucket-cloud/docs/event-payloads/#Push):
//
//	case             old   new   created closed forced  links                commits
//	update           ref   ref   -       -      -       commits, diff, html  5, newest first
//	branch created   null  ref   yes     -      -       commits, html        5, newest first
//	forced           ref   ref   -       -      yes     commits, html        5, newest first
//	branch deleted   ref   null  -       yes    -       no key               no key
//	tag created      null  tag   yes     -      -       commits              no key
//	tag deleted      tag   null  -       yes    -       no key               no key
func (r *Repo) pushBodies(by *principal, changes []refChange, before map[string]string) (pushBodies, error) {
	list := make([]object, len(changes))
	for i, c := range changes {
		var err error
		if list[i], err = r.describeChange(c, before); err != nil {
			return pushBodies{}, err
		}
	}
	body := func(changes []object) ([]byte, error) {
		return json.Marshal(object{
			"push": object{"changes": changes}, "repository": r.summary(), "actor": by.actor(),
		})
	}
	full, err := body(list)
	if err != nil {
		return pushBodies{}, err
	}
	empty, err := body([]object{})
	return pushBodies{full, empty}, err
}

func (r *Repo) describeChange(c refChange, before map[string]string) (object, error) {
	o := object{
		"old": nil, "new": nil, "truncated": false,
		"created": c.old == "", "closed": c.new == "", "forced": false,
	}
	var err error
	if c.old != "" {
		if o["old"], err = r.describeRef(c.ref, c.old); err != nil {
			return nil, err
		}
	}
	if c.new == "" {
		return o, nil
	}
	if o["new"], err = r.describeRef(c.ref, c.new); err != nil {
		return nil, err
	}
	link := func(format string, a ...any) object { return object{"href": fmt.Sprintf(format, a...)} }
	links := object{"commits": link("%s/commits?include=%s", r.apiURL(), c.new)}
	o["links"] = links
	if strings.HasPrefix(c.ref, "refs/tags/") {
		return o, nil
	}
	exclude := []string{c.old}
	if c.old == "" {
		links["html"] = link("%s/branch/%s", r.htmlURL(), strings.TrimPrefix(c.ref, "refs/heads/"))
		exclude = nil // what no other branch had before
		for _, hash := range before {
			exclude = append(exclude, hash)
		}
	} else {
		links["commits"] = link("%s/commits?include=%s&exclude=%s", r.apiURL(), c.new, c.old)
		links["html"] = link("%s/branches/compare/%s..%s", r.htmlURL(), c.new, c.old)
		forced, err := r.rewritten(c)
		if err != nil {
			return nil, err
		}
		o["forced"] = forced
		if !forced {
			// The first of the two is the newer, unlike in git.
			links["diff"] = link("%s/diff/%s..%s", r.apiURL(), c.new, c.old)
		}
	}
	commits, err := r.newCommits(c.new, exclude)
	if err != nil {
		return nil, err
	}
	o["truncated"] = len(commits) > listedCommits
	o["commits"] = r.describeCommits(commits[:min(len(commits), listedCommits)])
	return o, nil
}

// rewritten: the old commit is no ancestor of the new one.
func (r *Repo) rewritten(c refChange) (bool, error) {
	lost, err := r.git(nil, "rev-list", "--max-count=1", c.old, "--not", c.new)
	return lost != "", err
}

func (r *Repo) newCommits(hash string, exclude []string) ([]Commit, error) {
	args := []string{fmt.Sprintf("--max-count=%d", listedCommits+1)}
	slices.Sort(exclude)
	for _, hash := range slices.Compact(exclude) {
		args = append(args, "^"+hash)
	}
	return r.Log(hash, args...)
}

func (r *Repo) describeRef(ref, hash string) (object, error) {
	commits, err := r.Log(hash, "--max-count=1")
	if err != nil {
		return nil, err
	}
	target := r.describeCommits(commits)[0]
	if name, ok := strings.CutPrefix(ref, "refs/tags/"); ok {
		o := object{"name": name, "type": "tag", "target": target, "links": object{}}
		return o, r.describeTag(o, hash)
	}
	return object{
		"name": strings.TrimPrefix(ref, "refs/heads/"), "type": "branch", "target": target, "links": object{},
		"merge_strategies":       []string{"merge_commit", "squash", "fast_forward"},
		"sync_strategies":        []string{"merge_commit", "rebase"},
		"default_merge_strategy": "merge_commit",
	}, nil
}

// describeTag adds what an annotated tag says itself.
func (r *Repo) describeTag(o object, hash string) error {
	raw, err := r.git(strings.NewReader(hash+"\n"), "cat-file", "--batch")
	if err != nil || !strings.HasPrefix(raw, hash+" tag ") {
		return err
	}
	header, message, _ := strings.Cut(raw, "\n\n")
	o["message"] = strings.TrimSuffix(message, "\n")
	for line := range strings.Lines(header) {
		if who, ok := strings.CutPrefix(strings.TrimSpace(line), "tagger "); ok {
			name, rest, _ := strings.Cut(who, "> ")
			seconds, _, _ := strings.Cut(rest, " ")
			o["tagger"] = object{"type": "author", "raw": name + ">"}
			o["date"] = isoTime(unixTime(seconds))
		}
	}
	return nil
}

func (r *Repo) describeCommits(commits []Commit) []object {
	list := make([]object, len(commits))
	for i, c := range commits {
		parents := make([]object, len(c.Parents))
		for j, p := range c.Parents {
			parents[j] = object{"type": "commit", "hash": p, "links": r.commitLinks(p)}
		}
		list[i] = object{
			"type": "commit", "hash": c.Hash, "date": isoTime(c.Author.When), "message": c.Message,
			"author":    object{"type": "author", "raw": c.Author.Name + " <" + c.Author.Email + ">"},
			"committer": object{},
			"summary": object{
				"type": "rendered", "raw": c.Message, "markup": "markdown",
				"html": "<p>" + html.EscapeString(c.Subject()) + "</p>",
			},
			"links": r.commitLinks(c.Hash), "parents": parents,
			"rendered": object{}, "properties": object{},
		}
	}
	return list
}

func (r *Repo) commitLinks(hash mirror.Hash) object {
	return object{
		"self": object{"href": r.apiURL() + "/commit/" + string(hash)},
		"html": object{"href": r.htmlURL() + "/commits/" + string(hash)},
	}
}

func isoTime(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05-07:00") }
