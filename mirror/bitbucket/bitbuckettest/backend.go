package bitbuckettest

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/textproto"
	"os"
	"strconv"
)

// gitCall is one request handed to git http-backend.
type gitCall struct {
	server  *Server
	repo    *Repo
	by      *principal
	request *http.Request
	path    string // below the repository
}

// maxPush bounds a request's body: what Bitbucket allows for a pack.
const maxPush = 3584 << 20

// fetch serves advertisements and upload-pack; the answer is streamed.
func (c gitCall) fetch(w http.ResponseWriter) {
	body, err := spool(c.request.Body)
	if err != nil {
		panic(http.ErrAbortHandler) // the client went away
	}
	defer body.Close()
	if err := c.backend(c.request.Context(), w, body); err != nil {
		panic(http.ErrAbortHandler)
	}
}

// plain serves both as they come.
func (c gitCall) plain(w http.ResponseWriter) {
	err := c.backend(c.request.Context(), w, c.request.Body, "GIT_CONFIG_COUNT=1",
		"GIT_CONFIG_KEY_0=receive.fsckObjects", "GIT_CONFIG_VALUE_0=false")
	if err != nil {
		panic(http.ErrAbortHandler)
	}
}

// push serves receive-pack. The request is read whole before git runs and the
// answer is held back until git has ended: then a client that dies in the middle
// of its request changes nothing, one that dies later changes nothing about what was
// accepted, and none of them can keep the repository's lock.
func (c gitCall) push(w http.ResponseWriter) {
	body, err := spool(c.request.Body)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	defer body.Close()
	answer := &heldAnswer{header: make(http.Header), status: http.StatusOK}
	err = c.repo.update(c.by, func() error {
		return c.backend(c.server.ctx, answer, body, c.repo.hookEnv(c.by)...)
	})
	if c.server.ctx.Err() != nil {
		panic(http.ErrAbortHandler)
	}
	if err != nil && answer.body.Len() == 0 { // else git has said itself what is wrong
		http.Error(w, "Internal Server Error: "+err.Error(), http.StatusInternalServerError)
		return
	}
	answer.send(w)
}

// backend runs git http-backend as a CGI program. (net/http/cgi refuses the
// chunked bodies that git sends for a large push, and does not kill its children.)
func (c gitCall) backend(ctx context.Context, w http.ResponseWriter, body io.Reader, env ...string) error {
	r := c.request
	cmd := c.server.git.command(ctx, c.repo.dir, "http-backend")
	cmd.Env = append(append(cmd.Env[:len(cmd.Env):len(cmd.Env)],
		"GATEWAY_INTERFACE=CGI/1.1",
		"SERVER_PROTOCOL="+r.Proto,
		"REQUEST_METHOD="+r.Method,
		"QUERY_STRING="+r.URL.RawQuery,
		"CONTENT_TYPE="+r.Header.Get("Content-Type"),
		"HTTP_CONTENT_ENCODING="+r.Header.Get("Content-Encoding"),
		"GIT_PROTOCOL="+r.Header.Get("Git-Protocol"),
		"GIT_PROJECT_ROOT="+c.repo.dir,
		"PATH_INFO=/"+c.path,
		"GIT_HTTP_EXPORT_ALL=1",
		"REMOTE_USER="+c.by.name,
		"REMOTE_ADDR=127.0.0.1",
	), env...)
	cmd.Stdin = body // without CONTENT_LENGTH git reads to the end
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	if err := cmd.Start(); err != nil {
		return err
	}
	relayed := false
	defer func() {
		if !relayed { // the client is gone, or a fault cuts the connection by a panic
			_ = cmd.Cancel()
			_ = cmd.Wait()
		}
	}()
	if err := relay(w, stdout); err != nil {
		return err
	}
	relayed = true
	if err := cmd.Wait(); err != nil {
		return fmt.Errorf("git http-backend: %w: %s", err, bytes.TrimSpace(stderr.Bytes()))
	}
	return nil
}

// relay turns a CGI answer into an HTTP one.
func relay(w http.ResponseWriter, stdout io.Reader) error {
	reader := bufio.NewReader(stdout)
	header, err := textproto.NewReader(reader).ReadMIMEHeader()
	if err != nil {
		return fmt.Errorf("git http-backend: %w", err)
	}
	status := http.StatusOK
	if line := header.Get("Status"); len(line) >= 3 {
		if status, err = strconv.Atoi(line[:3]); err != nil {
			return fmt.Errorf("git http-backend: status %q", line)
		}
		header.Del("Status")
	}
	for name, values := range header {
		w.Header()[name] = values
	}
	w.WriteHeader(status)
	_, err = io.Copy(w, reader)
	return err
}

// heldAnswer keeps an answer until the work behind it is over.
type heldAnswer struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (a *heldAnswer) Header() http.Header         { return a.header }
func (a *heldAnswer) WriteHeader(status int)      { a.status = status }
func (a *heldAnswer) Write(p []byte) (int, error) { return a.body.Write(p) }

func (a *heldAnswer) send(w http.ResponseWriter) {
	for name, values := range a.header {
		w.Header()[name] = values
	}
	w.WriteHeader(a.status)
	_, _ = w.Write(a.body.Bytes())
}

// spool reads a request's body to its end, small ones into memory.
func spool(body io.Reader) (io.ReadCloser, error) {
	const small = 256 << 10
	var head bytes.Buffer
	n, err := io.CopyN(&head, body, small)
	if err == io.EOF {
		return io.NopCloser(&head), nil
	}
	if err != nil {
		return nil, err
	}
	f, err := os.CreateTemp("", "bitbuckettest-push-")
	if err != nil {
		return nil, err
	}
	s := spoolFile{f}
	if _, err := head.WriteTo(f); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	if m, err := io.Copy(f, io.LimitReader(body, maxPush)); err != nil || n+m > maxPush {
		return nil, errors.Join(fmt.Errorf("push of %d bytes: %w", n+m, err), s.Close())
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

type spoolFile struct{ *os.File }

func (s spoolFile) Close() error { return errors.Join(s.File.Close(), os.Remove(s.Name())) }
