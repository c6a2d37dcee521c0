package clone_test

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"

	"github.com/confmirror/confmirror/mirror"
	"github.com/confmirror/confmirror/mirror/clone"
)

// C2: a server that repeats the credentials, wherever it can, has them neither shown nor
// logged: not the token, not the header that holds it, and not the most of a long token.
func TestTokensThatAServerRepeatsAreHidden_C2(t *testing.T) {
	packet := func(text string) string { return fmt.Sprintf("%04x%s", len(text)+4, text) }
	status := func(code int) func(http.ResponseWriter, *http.Request, string) {
		return func(w http.ResponseWriter, _ *http.Request, echo string) { http.Error(w, "no: "+echo, code) }
	}
	// speak answers what is asked for in git's own protocol.
	speak := func(body func(echo string) string) func(http.ResponseWriter, *http.Request, string) {
		return func(w http.ResponseWriter, r *http.Request, echo string) {
			service := r.URL.Path[strings.LastIndexByte(r.URL.Path, '/')+1:]
			w.Header().Set("Content-Type", "application/x-"+service+"-result")
			io.WriteString(w, body(echo))
		}
	}
	for name, answer := range map[string]func(http.ResponseWriter, *http.Request, string){
		"400": status(400), "403": status(403), "404": status(404), "410": status(410), "429": status(429), "500": status(500),
		"type": func(w http.ResponseWriter, _ *http.Request, echo string) {
			w.Header().Set("Content-Type", "text/"+echo)
		},
		"redirect": func(w http.ResponseWriter, _ *http.Request, echo string) {
			w.Header().Set("Location", "http://[bad/?"+echo)
			w.WriteHeader(http.StatusFound)
		},
		"ERR":   speak(func(echo string) string { return packet("ERR no: " + echo) }),
		"error": speak(func(echo string) string { return packet("\x03no: " + echo) }),
		"hook": speak(func(echo string) string {
			return packet("\x02no: "+echo+"\n") +
				packet("\x01"+packet("unpack ok\n")+packet("ng refs/heads/main pre-receive hook declined\n")+"0000") + "0000"
		}),
		"reason": speak(func(echo string) string {
			return packet("unpack ok\n") + packet("ng refs/heads/main no: "+echo+"\n") + "0000"
		}),
		"unpack":    speak(func(echo string) string { return packet("unpack no: "+echo+"\n") + "0000" }),
		"no report": speak(func(echo string) string { return packet("well: "+echo+"\n") + "0000" }),
	} {
		for _, token := range []string{"s3cr3t-t0ken", "l0ng-" + strings.Repeat("x", 2000)} {
			t.Run(fmt.Sprintf("%s/%d", name, len(token)), func(t *testing.T) {
				var logged bytes.Buffer
				w := newWorld(t, func(o *clone.Options) {
					o.Credentials = &tokens{good: token, give: []string{token}}
					o.Logger = slog.New(slog.NewTextHandler(&logged, &slog.HandlerOptions{Level: slog.LevelDebug}))
				})
				head := w.push(t, "", files{"toolkits/a.json": "1"})
				repeated := false
				var header string
				w.around = func(rw http.ResponseWriter, r *http.Request, _ http.Handler) {
					_, password, _ := r.BasicAuth()
					repeated = repeated || password == token
					header = strings.TrimPrefix(r.Header.Get("Authorization"), "Basic ")
					answer(rw, r, password+" "+header)
				}
				_, read := w.Remote(ctx)
				fetched := w.Fetch(ctx, mirror.Hash(strings.Repeat("1", 40)))
				pushed := w.Push(ctx, w.build(t, head, files{"toolkits/a.json": "2"}))
				tried := clone.TryPush(ctx, w.url(), "main", head, &tokens{give: []string{token}}, nil)
				if !repeated || pushed == nil { // what is right in an answer to a push may look right in another one
					t.Fatalf("repeated %v; %v; %v; %v", repeated, read, fetched, pushed)
				}
				texts := []string{logged.String()}
				for _, err := range []error{read, fetched, pushed, tried} {
					if err != nil {
						f := mirror.AsFault(err)
						texts = append(texts, err.Error(), f.Message, f.Remedy)
					}
				}
				for _, text := range texts {
					for _, secret := range []string{token[:10], header[:30]} {
						if strings.Contains(text, secret) {
							t.Errorf("%.10s... is in %q", secret, text)
						}
					}
				}
			})
		}
	}
}
