package daemon_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// patience is how long a page may take to show what happened.
const patience = 20 * time.Second

// browser is a tab of a real browser, for a person of its own.
type browser struct {
	w   *world
	ctx context.Context
	// elsewhere is another place that pages may lead to.
	elsewhere string

	mu       sync.Mutex
	problems []string // what the console said, exceptions, and requests to other places
}

// eachBrowser runs a test in a browser at a whole installation. The pages do not depend on
// the database.
func eachBrowser(t *testing.T, prepare func(w *world), test func(b *browser)) {
	t.Helper()
	t.Parallel()
	w := newWorld(t, migrated.SQLite(t))
	if prepare != nil {
		prepare(w)
	}
	w.start()
	test(w.browse())
}

// browse opens a tab.
func (w *world) browse() *browser {
	w.t.Helper()
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.NoSandbox, // tests in containers run as root
		chromedp.Flag("disable-dev-shm-usage", true),
		chromedp.UserDataDir(w.t.TempDir()),
		chromedp.WindowSize(1200, 900),
		chromedp.WSURLReadTimeout(time.Minute), // a cold start on a busy machine
	)
	allocator, stop := chromedp.NewExecAllocator(context.WithoutCancel(w.t.Context()), options...)
	b := &browser{w: w}
	var end context.CancelFunc
	b.ctx, end = chromedp.NewContext(allocator)
	w.t.Cleanup(func() {
		w.must(chromedp.Cancel(b.ctx))
		end()
		stop()
		b.mu.Lock()
		defer b.mu.Unlock()
		for _, problem := range b.problems {
			w.t.Errorf("the browser complains: %s", problem)
		}
	})
	w.must(chromedp.Listen(b.ctx, b.heard)) // which starts it
	return b
}

// heard notes what should not happen on any page.
func (b *browser) heard(event any) {
	problem := ""
	switch event := event.(type) {
	case *runtime.EventExceptionThrown:
		problem = fmt.Sprintf("%+v", event.ExceptionDetails)
	case *log.EventEntryAdded:
		if event.Entry.Level == log.EntryLevelError && event.Entry.Source != log.EntrySourceNetwork {
			problem = event.Entry.Text
		}
	case *page.EventJavascriptDialogOpening:
		go func() {
			_, _ = chromedp.Call(b.ctx, page.HandleJavaScriptDialog, page.HandleJavaScriptDialogParams{Accept: true})
		}()
		if event.Type != page.DialogTypeConfirm {
			problem = "a script asked: " + event.Message
		}
	case *network.EventRequestWillBeSent:
		if url := event.Request.URL; !strings.HasPrefix(url, b.w.url+"/") && (b.elsewhere == "" || !strings.HasPrefix(url, b.elsewhere+"/")) && !strings.HasPrefix(url, "data:") {
			problem = "a request to " + url
		}
	}
	if problem != "" {
		b.mu.Lock()
		b.problems = append(b.problems, problem)
		b.mu.Unlock()
	}
}

// do carries steps out, one after another.
func (b *browser) do(steps ...chromedp.Action[chromedp.Void]) {
	b.w.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	if err := chromedp.Do(ctx, steps...); err != nil {
		b.shot("failed")
		b.w.t.Fatalf("%v; the page says:\n%s", err, b.text())
	}
}

// ask evaluates an expression on the page.
func ask[T any](b *browser, expression string) T {
	b.w.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	value, err := chromedp.Run(ctx, chromedp.Evaluate[T](expression))
	b.w.must(err)
	return value
}

// waitFor is the text that a promise comes to.
func (b *browser) waitFor(promise string) string {
	b.w.t.Helper()
	ask[bool](b, "(window.came = undefined, "+promise+".then((text) => { window.came = text; }), true)")
	b.until("window.came !== undefined")
	return ask[string](b, "window.came")
}

// complaints takes what the browser said that is expected.
func (b *browser) complaints() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	said := b.problems
	b.problems = nil
	return said
}

// open goes to a page.
func (b *browser) open(path string) {
	b.w.t.Helper()
	b.goTo(b.w.url + path)
}

func (b *browser) goTo(address string) {
	b.w.t.Helper()
	b.do(chromedp.Navigate(address))
}

// text is what the page says.
func (b *browser) text() string {
	b.w.t.Helper()
	return ask[string](b, `document.body ? document.body.innerText : ""`)
}

// sees waits until the page says something.
func (b *browser) sees(texts ...string) {
	b.w.t.Helper()
	for _, text := range texts {
		b.until(fmt.Sprintf(`document.body?.innerText.includes(%q)`, text))
	}
}

// seesNot waits until the page does not say something any more.
func (b *browser) seesNot(text string) {
	b.w.t.Helper()
	b.until(fmt.Sprintf(`document.body && !document.body.innerText.includes(%q)`, text))
}

// until waits for something to be true on the page, or on the one that it leads to.
func (b *browser) until(expression string) {
	b.w.t.Helper()
	happened := false
	defer func() {
		if !happened {
			b.shot("failed")
			b.w.t.Logf("the page says:\n%s", b.text())
		}
	}()
	b.w.eventually(expression, func() bool {
		ctx, cancel := context.WithTimeout(b.ctx, patience)
		defer cancel()
		is, err := chromedp.Run(ctx, chromedp.Evaluate[bool]("Boolean("+expression+")"))
		happened = err == nil && is
		return happened
	})
}

// press clicks the button or link of that name: again, where the page renewed it meanwhile, or
// moved under the pointer and the click went elsewhere.
func (b *browser) press(name string) {
	b.w.t.Helper()
	target := chromedp.Search(fmt.Sprintf(`//button[normalize-space()=%q] | //a[normalize-space()=%q]`, name, name))
	b.do(chromedp.WaitVisible(target))
	b.w.eventually("pressing "+name, func() bool {
		ask[bool](b, `(window.pressed = "", document.addEventListener("click", (event) => {
			window.pressed = event.target.closest("button, a")?.textContent.trim().replace(/\s+/g, " ") ?? "elsewhere";
		}, { capture: true, once: true }), true)`)
		ctx, cancel := context.WithTimeout(b.ctx, patience)
		defer cancel()
		if err := chromedp.Do(ctx, chromedp.Click(target)); ctx.Err() != nil {
			b.w.t.Fatal(err)
		}
		// On the next page nobody knows any more, and the click is what led there.
		return ask[bool](b, fmt.Sprintf(`[undefined, %q].includes(window.pressed)`, name))
	})
}

// hover puts the pointer on what a selector finds.
func (b *browser) hover(selector string) {
	b.w.t.Helper()
	at := ask[[2]float64](b, fmt.Sprintf(`(() => {
		const box = document.querySelector(%q).getBoundingClientRect();
		return [box.x + box.width / 2, box.y + box.height / 2];
	})()`, selector))
	b.do(chromedp.MouseEvent(input.DispatchMouseEventTypeMouseMoved, at[0], at[1]))
}

// signIn signs in with a token.
func (b *browser) signIn(token string) {
	b.w.t.Helper()
	b.until(`document.readyState === "complete" && document.querySelector("#token")`) // the page may be another by now
	b.do(chromedp.SetValue(chromedp.CSS("#token"), token), chromedp.Click(chromedp.CSS("main form button")))
}

// shot keeps a picture of the page, for people to look at: `go test -artifacts`.
func (b *browser) shot(name string) {
	b.w.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	picture, err := chromedp.Run(ctx, chromedp.FullScreenshot(100))
	if err != nil {
		b.w.t.Logf("no picture of %s: %v", name, err)
		return
	}
	b.w.must(os.WriteFile(filepath.Join(b.w.t.ArtifactDir(), name+".png"), picture, 0o600))
}

// shots keeps pictures of a page in the light, in the dark and on a phone, where nothing is
// wider than the screen.
func (b *browser) shots(name string) {
	b.w.t.Helper()
	b.shot(name)
	b.scheme("dark")
	b.shot(name + "-dark")
	b.scheme("light")
	b.do(chromedp.EmulateViewport(390, 800, chromedp.EmulateMobile))
	b.shot(name + "-phone")
	if width := ask[int](b, `document.documentElement.scrollWidth`); width > 390 {
		b.w.t.Errorf("%s is %d pixels wide on a phone of 390", name, width)
	}
	b.do(chromedp.EmulateViewport(1200, 900))
}

func (b *browser) scheme(name string) {
	b.w.t.Helper()
	_, err := chromedp.Call(b.ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
		Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: name}},
	})
	b.w.must(err)
}
