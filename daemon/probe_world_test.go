package daemon

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"maps"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/confmirror/confmirror/daemon/web"
	"github.com/confmirror/confmirror/db"
	"github.com/confmirror/confmirror/mirror"
	"github.com/confmirror/confmirror/mirror/bitbucket/bitbuckettest"
)

// probed is a connection to the stand-in that a test spoils, and tests.
type probed struct {
	t         *testing.T
	standIn   *bitbuckettest.Server
	repo      *bitbuckettest.Repo
	connector *Connector
	settings  mirror.Settings
	webhook   string
	known     db.Webhook // what the database knows of the webhook
	gone      int        // how often it was told that the webhook is gone
}

func newProbed(t *testing.T) *probed {
	t.Helper()
	p := probedAt(t, bitbuckettest.Options{}, "acme-corp")
	consumer := p.standIn.AddConsumer(bitbuckettest.Consumer{Workspace: "acme-corp"})
	p.settings.ClientID, p.settings.ClientSecret = consumer.Key, mirror.NewSecret(consumer.Secret)
	return p
}

// newProbedServer is one to a Data Center, by a token with a permission.
func newProbedServer(t *testing.T, scope string) *probed {
	t.Helper()
	p := probedAt(t, bitbuckettest.Options{DataCenter: true}, "CONF")
	p.settings.OAuthURL = ""
	p.settings.AccessToken = mirror.NewSecret(p.standIn.AddAccessToken("CONF", "webrix-sync", scope))
	return p
}

// probedAt is one without credentials.
func probedAt(t *testing.T, o bitbuckettest.Options, workspace string) *probed {
	t.Helper()
	standIn, err := bitbuckettest.New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { standIn.Close() })
	repo, err := standIn.CreateRepository(workspace, "webrix-sync")
	if err != nil {
		t.Fatal(err)
	}
	hook := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost && r.Header.Get("X-Event-Key") != "diagnostics:ping" {
			w.WriteHeader(http.StatusBadRequest)
		}
		w.Write([]byte(`{"status":"ignored"}`))
	}))
	t.Cleanup(hook.Close)
	p := &probed{
		t: t, standIn: standIn, repo: repo, connector: NewConnector("test"), webhook: web.WebhookURL(hook.URL),
		settings: mirror.Settings{
			Push: mirror.PushDirect, Workspace: workspace, Repository: "webrix-sync",
			APIURL: standIn.APIURL(), OAuthURL: standIn.OAuthURL(), GitURL: standIn.GitURL(),
		},
	}
	t.Cleanup(p.transport().CloseIdleConnections)
	p.commit("main")
	return p
}

func (p *probed) must(err error) {
	p.t.Helper()
	if err != nil {
		p.t.Fatal(err)
	}
}

func (p *probed) commit(branch string) {
	p.t.Helper()
	_, err := p.repo.Commit(branch, mirror.Signature{Name: "You", Email: "you@example.com"}, "Start", bitbuckettest.Write("README.md", "Ours.\n"))
	p.must(err)
}

// transport is the one of all the connector's requests.
func (p *probed) transport() *http.Transport { return p.connector.git.Transport.(*http.Transport) }

// test runs the connection test and demands that nothing was left behind and nothing secret said.
func (p *probed) test() web.TestResult {
	p.t.Helper()
	before, err := p.repo.Git("for-each-ref")
	p.must(err)
	result := p.connector.Test(p.t.Context(), p.settings, Webhook{URL: p.webhook, Known: p.known, Gone: func() { p.gone++ }}, nil)
	after, err := p.repo.Git("for-each-ref")
	p.must(err)
	if before != after {
		p.t.Errorf("refs were\n%s\nand are\n%s", before, after)
	}
	text, err := json.Marshal(result)
	p.must(err)
	for _, secret := range []string{p.settings.ClientSecret.Reveal(), p.settings.AccessToken.Reveal(), "hunter2"} {
		if secret != "" && strings.Contains(string(text), secret) {
			p.t.Errorf("a secret is told: %s", text)
		}
	}
	return result
}

// marks is one word for each step: "ok", "note", "-" (skipped), or the code of what failed.
func marks(result web.TestResult) map[string]string {
	all := map[string]string{}
	for _, step := range result.Steps {
		switch {
		case step.Skipped:
			all[step.Name] = "-"
		case !step.OK:
			all[step.Name] = step.Code
		case step.Remedy != "":
			all[step.Name] = "note"
		default:
			all[step.Name] = "ok"
		}
	}
	return all
}

// wants demands the marks of some steps, and "ok" of all others, but for what only REST
// tells: that is not tried where REST or the branch is not there.
func (p *probed) wants(result web.TestResult, want map[string]string) {
	p.t.Helper()
	steps := map[string]string{"settings": "ok", "dns": "ok", "connect": "ok", "tls": "ok", "clock": "ok", "token": "ok", "repository": "ok", "git": "ok", "branch": "ok", "rules": "ok", "write": "ok", "webhook": "ok", "delivery": "ok"}
	maps.Copy(steps, want)
	if mark := steps["repository"]; mark != "ok" && mark != "note" {
		steps["webhook"], steps["rules"] = "-", "-"
	}
	if steps["branch"] != "ok" {
		steps["rules"] = "-"
	}
	if steps["repository"] == "" || p.settings.APIURL == "" || steps["settings"] != "ok" {
		steps["webhook"], steps["rules"] = "", ""
	}
	maps.DeleteFunc(steps, func(_, mark string) bool { return mark == "" })
	if diff := cmp.Diff(steps, marks(result)); diff != "" {
		p.t.Errorf("%s\n%+v", diff, result.Steps)
	}
	first := web.TestStep{OK: true}
	for _, step := range result.Steps {
		if !step.OK && !step.Skipped {
			first = step
			break
		}
	}
	if result.OK != first.OK || result.Code != first.Code || !first.OK && result.Message != first.Message {
		p.t.Errorf("the result is %v, %s: %s", result.OK, result.Code, result.Message)
	}
}

// says demands words of a step's message and remedy.
func (p *probed) says(result web.TestResult, name, message, remedy string) {
	p.t.Helper()
	for _, step := range result.Steps {
		if step.Name == name {
			if !strings.Contains(step.Message, message) || !strings.Contains(step.Remedy, remedy) || (remedy == "") != (step.Remedy == "") {
				p.t.Errorf("%s says %q and %q,\nwant ...%s... and ...%s...", name, step.Message, step.Remedy, message, remedy)
			}
			return
		}
	}
	p.t.Errorf("there is no step %s", name)
}

// authority is a certificate authority of the test's own.
type authority struct {
	t    *testing.T
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(t *testing.T) *authority {
	a := &authority{t: t}
	a.cert, a.key = a.issue(&x509.Certificate{
		Subject: pkix.Name{CommonName: "Corporate Root"}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	})
	return a
}

// issue signs a certificate; the first one signs itself.
func (a *authority) issue(template *x509.Certificate) (*x509.Certificate, *ecdsa.PrivateKey) {
	a.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		a.t.Fatal(err)
	}
	template.SerialNumber = big.NewInt(time.Now().UnixNano())
	parent, signer := a.cert, a.key
	if parent == nil {
		parent, signer = template, key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, signer)
	if err != nil {
		a.t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		a.t.Fatal(err)
	}
	return cert, key
}

// serve answers over TLS for names and addresses, with a certificate of that time.
func (a *authority) serve(handler http.Handler, from, to time.Time, names ...string) (url string) {
	a.t.Helper()
	template := &x509.Certificate{NotBefore: from, NotAfter: to, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}
	for _, name := range names {
		if ip := net.ParseIP(name); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, name)
		}
	}
	cert, key := a.issue(template)
	server := httptest.NewUnstartedServer(handler)
	server.Config.ErrorLog = quiet
	server.TLS = &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{cert.Raw}, PrivateKey: key}}}
	server.StartTLS()
	a.t.Cleanup(server.Close)
	return server.URL
}

// trusted makes a connector believe the authority, as SSL_CERT_FILE would.
func (a *authority) trusted(p *probed) {
	roots := x509.NewCertPool()
	roots.AddCert(a.cert)
	p.transport().TLSClientConfig = &tls.Config{RootCAs: roots}
}
