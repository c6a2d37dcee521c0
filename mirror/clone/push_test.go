package clone_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"github.com/confmirror/confmirror/mirror"
	"github.com/confmirror/confmirror/mirror/clone"
)

func isPush(r *http.Request) bool { return strings.HasSuffix(r.URL.Path, "/git-receive-pack") }

func fault(t *testing.T, err error, code string, class mirror.Class) *mirror.Fault {
	t.Helper()
	var f *mirror.Fault
	if !errors.As(err, &f) {
		t.Fatalf("got %v, want a fault %s", err, code)
	}
	if f.Code != code || f.Class != class {
		t.Fatalf("got %s class %d (%v), want %s class %d", f.Code, f.Class, f, code, class)
	}
	if f.Message == "" || f.Remedy == "" {
		t.Errorf("%s without message or remedy: %+v", code, f)
	}
	return f
}

func (w *world) tracking(t *testing.T) string {
	t.Helper()
	out, _ := gitInput(t, w.dir, nil, "rev-parse", "-q", "--verify", "refs/remotes/origin/"+w.o.Branch)
	return out
}

func TestPushEmptyReportIsAnError_H3(t *testing.T) {
	for name, body := range map[string]string{
		"empty":           "",
		"flush":           "0000",
		"cut after ok":    "002e\x01000eunpack ok\n",
		"unpack only":     "0013\x01000eunpack ok\n0000",
		"cut in the ref":  "0020\x01000eunpack ok\n0019ok refs/he",
		"no bands, cut":   "000eunpack ok\n",
		"some other text": "hello",
		"no ref":          packet("\x01"+packet("unpack ok\n")+"0000") + "0000",
		"another ref":     packet("\x01"+packet("unpack ok\n")+packet("ok refs/heads/main2\n")+"0000") + "0000",
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			first := w.push(t, "", files{"toolkits/a.json": "1"})
			w.around = func(rw http.ResponseWriter, r *http.Request, next http.Handler) {
				if !isPush(r) {
					next.ServeHTTP(rw, r)
					return
				}
				io.Copy(io.Discard, r.Body)
				rw.Header().Set("Content-Type", "application/x-git-receive-pack-result")
				io.WriteString(rw, body)
			}
			err := w.Push(ctx, w.build(t, first, files{"toolkits/a.json": "2"}))
			fault(t, err, mirror.CodeNetworkUnreachable, mirror.Transient)
			if w.tracking(t) != string(first) {
				t.Error("the tracking ref moved")
			}
		})
	}
}

func TestPushAnswerLostButArrived_H3(t *testing.T) {
	for name, lose := range map[string]func(w http.ResponseWriter){
		"empty answer": func(http.ResponseWriter) {},
		"another ref": func(w http.ResponseWriter) {
			w.Header().Set("Content-Type", "application/x-git-receive-pack-result")
			io.WriteString(w, packet("unpack ok\n")+packet("ok refs/heads/main2\n")+"0000")
		},
		"cut":         func(w http.ResponseWriter) { panic(http.ErrAbortHandler) },
		"bad gateway": func(w http.ResponseWriter) { w.WriteHeader(502) },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			first := w.push(t, "", files{"toolkits/a.json": "1"})
			w.around = func(rw http.ResponseWriter, r *http.Request, next http.Handler) {
				if !isPush(r) {
					next.ServeHTTP(rw, r)
					return
				}
				next.ServeHTTP(httptest.NewRecorder(), r)
				lose(rw)
			}
			b := w.build(t, first, files{"toolkits/a.json": "2"})
			if err := w.Push(ctx, b); err != nil {
				t.Fatal(err)
			}
			if w.head("main") != b.Head() || w.tracking(t) != string(b.Head()) {
				t.Error("the branch is not where the push put it")
			}
		})
	}
}

func TestPushCutBeforeItArrived(t *testing.T) {
	w := newWorld(t)
	first := w.push(t, "", files{"toolkits/a.json": "1"})
	w.around = func(rw http.ResponseWriter, r *http.Request, next http.Handler) {
		if isPush(r) {
			panic(http.ErrAbortHandler)
		}
		next.ServeHTTP(rw, r)
	}
	b := w.build(t, first, files{"toolkits/a.json": "2"})
	fault(t, w.Push(ctx, b), mirror.CodeNetworkUnreachable, mirror.Transient)
	w.around = nil
	if err := w.Push(ctx, b); err != nil {
		t.Fatal("the same push again:", err)
	}
	w.checkout(t, b.Head())
	w.clean(t)
}

func TestPushStale_H17(t *testing.T) {
	w := newWorld(t)
	first := w.push(t, "", files{"toolkits/a.json": "1"})
	theirs := w.commit("main", files{"toolkits/b.json": "1"})
	err := w.Push(ctx, w.build(t, first, files{"toolkits/a.json": "2"}))
	if !errors.Is(err, mirror.ErrStale) {
		t.Fatalf("got %v, want ErrStale", err)
	}
	if w.head("main") != theirs {
		t.Fatal("a commit was lost")
	}
	second := w.pull(t) // L3: both contents survive
	w.push(t, second, files{"toolkits/a.json": "2"})
	if w.show("main", "toolkits/b.json") != "1" || w.show("main", "toolkits/a.json") != "2" {
		t.Error("one of two edits is lost")
	}
	w.clean(t)
}

func TestPushNewBranchThatExistsIsStale(t *testing.T) {
	w := newWorld(t)
	w.commit("main", files{"README.md": "theirs"})
	if err := w.Push(ctx, w.build(t, "", files{"toolkits/a.json": "1"})); !errors.Is(err, mirror.ErrStale) {
		t.Fatalf("got %v, want ErrStale", err)
	}
}

func TestPushToDeletedBranchIsStale_F1(t *testing.T) {
	w := newWorld(t)
	first := w.push(t, "", files{"toolkits/a.json": "1"})
	git(t, w.bare, "update-ref", "-d", "refs/heads/main")
	if err := w.Push(ctx, w.build(t, first, files{"toolkits/a.json": "2"})); !errors.Is(err, mirror.ErrStale) {
		t.Fatalf("got %v, want ErrStale", err)
	}
	if h, err := w.Remote(ctx); err != nil || !h.Empty {
		t.Errorf("Remote: %+v, %v", h, err)
	}
}

func TestPushDeclinedByHook_F5_H17(t *testing.T) {
	for _, tc := range []struct{ name, text, code, shown string }{
		{"restricted", "Permission denied to update branch main.", mirror.CodeBranchRestricted, "Permission denied to update branch main."},
		{"restricted, lower case", "permission denied to update branch main", mirror.CodeBranchRestricted, ""},
		{"data center", "Branch refs/heads/main can only be modified through pull requests.", mirror.CodeBranchRestricted, ""},
		{"data center, in a box", "-----\nBranch refs/heads/main can only be modified through pull requests.\n-----", mirror.CodeBranchRestricted, "direct pushes: Branch refs/heads/main can only be modified through pull requests."},
		{"full", "Repository is over the size limit (4 GB) and will not accept further additions.", mirror.CodeRepositoryFull, ""},
		{"signatures", "All commits must be signed by a verified key", mirror.CodeSignedCommitsRequired, ""},
		{"something else", "Commit message lacks a ticket: ABC-1", mirror.CodePushRefused, "Commit message lacks a ticket: ABC-1"},
		{"control characters", "bad \033[31mred\033[0m\007 thing", mirror.CodePushRefused, "bad [31mred[0m thing"},
		{"no text", "", mirror.CodePushRefused, "pre-receive hook declined"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w := newWorld(t)
			first := w.push(t, "", files{"toolkits/a.json": "1"})
			w.hook("printf '%s\\n' '" + tc.text + "' >&2\nexit 1\n")
			err := w.Push(ctx, w.build(t, first, files{"toolkits/a.json": "2"}))
			f := fault(t, err, tc.code, mirror.Permanent)
			if !strings.Contains(f.Message, tc.shown) {
				t.Errorf("message %q lacks %q", f.Message, tc.shown)
			}
			if w.head("main") != first || w.tracking(t) != string(first) {
				t.Error("a refused push moved a ref")
			}
		})
	}
}

func TestPushTextIsBounded(t *testing.T) {
	w := newWorld(t)
	w.hook("i=0; while [ $i -lt 2000 ]; do echo 'many many words' >&2; i=$((i+1)); done; exit 1\n")
	f := fault(t, w.Push(ctx, w.build(t, "", files{"toolkits/a.json": "1"})), mirror.CodePushRefused, mirror.Permanent)
	if len(f.Message) > 600 {
		t.Errorf("message of %d bytes", len(f.Message))
	}
}

func TestPushNothing_E2_H19(t *testing.T) {
	w := newWorld(t)
	first := w.push(t, "", files{"toolkits/a.json": "1"})
	before := w.requests.Load()
	b := w.build(t, first, files{"toolkits/a.json": "1"}, files{"toolkits/none.json": ""})
	if b.Head() != first || len(b.Commits()) != 0 {
		t.Errorf("an empty commit was made: %v", b.Commits())
	}
	if err := w.Push(ctx, b); err != nil {
		t.Fatal(err)
	}
	if w.requests.Load() != before {
		t.Error("nothing to push took a request")
	}
	empty := w.build(t, "", files{"toolkits/none.json": ""})
	if empty.Head() != "" {
		t.Error("an empty first commit was made")
	}
}

func TestPushIsOneRequestOfAFewBytes_P8_H20(t *testing.T) {
	w := newWorld(t)
	wide := files{}
	for i := range 2000 {
		wide[fmt.Sprintf("toolkits/t%d.json", i)] = fmt.Sprint(i)
	}
	first := w.push(t, "", wide)
	var sent int64
	w.around = func(rw http.ResponseWriter, r *http.Request, next http.Handler) {
		sent += r.ContentLength
		next.ServeHTTP(rw, r)
	}
	before := w.requests.Load()
	head := w.push(t, first, files{"toolkits/t7.json": "x"}, files{"toolkits/t1999.json": "", "toolkits/aaa.json": "1"})
	if n := w.requests.Load() - before; n != 1 {
		t.Errorf("%d requests", n)
	}
	if sent > 3000 {
		t.Errorf("%d bytes sent", sent)
	}
	fsck(t, w.bare)
	w.clean(t)
	if w.head("main") != head || w.show("main", "toolkits/t7.json") != "x" {
		t.Error("the push did not arrive")
	}
}

func TestPushLargeProbesFirst(t *testing.T) {
	creds := &tokens{good: "t2", give: []string{"t1", "t2"}}
	w := newWorld(t, func(o *clone.Options) { o.Credentials = creds })
	w.around = creds.guard
	big := make([]byte, 3<<20)
	for i := range big {
		big[i] = byte(i * i >> 7 * 31)
	}
	f := files{}
	for i := range 40 {
		f[fmt.Sprintf("skills/s/f%d", i)] = fmt.Sprint(i, string(big[i<<16:(i+1)<<16]))
	}
	w.push(t, "", f)
	w.clean(t)
	fsck(t, w.bare)
	if creds.renewed != 1 {
		t.Errorf("renewed %d times", creds.renewed)
	}
}

// A token that was good for the probe and is not for the push itself is renewed once, and
// the push goes out again whole.
func TestTokenThatExpiresBeforeTheBody_C1(t *testing.T) {
	creds := &tokens{good: "t1", give: []string{"t1", "t2"}}
	w := newWorld(t, func(o *clone.Options) { o.Credentials = creds })
	pushes := 0
	w.around = func(rw http.ResponseWriter, r *http.Request, next http.Handler) {
		if r.Method == http.MethodPost && strings.HasSuffix(r.URL.Path, "/git-receive-pack") {
			pushes++
			creds.good = "t2"
		}
		creds.guard(rw, r, next)
	}
	f := files{}
	large := noise(2 << 20)
	for i := range 4 {
		f[fmt.Sprintf("skills/s/f%d", i)] = large[i<<19 : (i+1)<<19]
	}
	w.push(t, "", f)
	fsck(t, w.bare)
	if creds.renewed != 1 || pushes != 2 {
		t.Errorf("renewed %d times, pushed %d times", creds.renewed, pushes)
	}
}

// tokens gives one token after the other.
type tokens struct {
	good    string
	give    []string
	renewed int
}

func (c *tokens) Basic(_ context.Context, renew bool) (string, mirror.Secret, error) {
	if renew {
		c.renewed++
		if len(c.give) > 1 {
			c.give = c.give[1:]
		}
	}
	return "x-token-auth", mirror.NewSecret(c.give[0]), nil
}

func (c *tokens) guard(rw http.ResponseWriter, r *http.Request, next http.Handler) {
	if _, password, _ := r.BasicAuth(); password != c.good {
		rw.Header().Set("WWW-Authenticate", `Basic realm="Bitbucket.org HTTP"`)
		http.Error(rw, "Invalid credentials", http.StatusUnauthorized)
		return
	}
	next.ServeHTTP(rw, r)
}

func TestTwoHundredPushesLeakNothing_P5_H11(t *testing.T) {
	w := newWorld(t)
	head := w.push(t, "", files{"toolkits/a.json": "0"})
	fds := func() int {
		d, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Fatal(err)
		}
		return len(d)
	}
	var early int
	for i := 1; i <= 200; i++ {
		head = w.push(t, head, files{"toolkits/a.json": fmt.Sprint(i)})
		if i == 20 {
			early = fds()
		}
	}
	if now := fds(); now > early+5 {
		t.Errorf("%d descriptors after 20 pushes, %d after 200", early, now)
	}
	w.clean(t)
}
