package clone

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/confmirror/confmirror/mirror"
)

// networkFault is a fault that a later try may not see.
func networkFault(message string, err error) *mirror.Fault {
	return &mirror.Fault{
		Code:    mirror.CodeNetworkUnreachable,
		Message: message,
		Remedy:  "It is tried again by itself. If it lasts, `confmirror check` tells names, proxy, firewall and certificates apart; see the host's status page, too.",
		Class:   mirror.Transient,
		Err:     err,
	}
}

// somebodyElse: what answered may be no git server, but a page of a proxy's, or of another
// part of the host.
func somebodyElse(message string, err error) *mirror.Fault {
	f := networkFault(message, err)
	f.Remedy = "It is tried again by itself. If it lasts, check git_url: <git_url>/<workspace>/<repository>.git has to be what `git clone` takes (Bitbucket Cloud's git_url is " +
		mirror.DefaultGitURL + ", a Data Center's ends in /scm). If that is right, a proxy or a firewall answers in the server's place."
	return f
}

// unreachable wraps an error of the connection. A *url.Error repeats the whole
// address, which is not needed.
func unreachable(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		err = u.Err
	}
	return networkFault("The git server cannot be reached.", mirror.WithoutLocation(err))
}

// refusal makes a fault of an answer that is not 2xx.
func refusal(a *answer, r *request) error {
	raw, _ := io.ReadAll(io.LimitReader(a, maxErrorBody))
	raw = []byte(mirror.Conceal(string(raw), a.sent...))
	text := ""
	if !isHTML(a.Header.Get("Content-Type"), raw) {
		text = firstLine(string(raw))
	}
	cause := &statusError{a.StatusCode, text}
	shown := func(otherwise string) string {
		if text != "" {
			return text
		}
		return otherwise
	}
	switch code := a.StatusCode; {
	case code == http.StatusNotFound || code < 500 && containsFold(string(raw), "may not have access to this repository or it no longer exists",
		"either does not exist or you do not have access"):
		return notFound(text, cause) // which status it comes with differs
	case code == http.StatusUnauthorized:
		return &mirror.Fault{
			Code: mirror.CodeConnectionFailed, Message: mirror.ConnectionFailedMessage, Class: mirror.Permanent, Err: cause,
			Remedy: "Check workspace, client id and client secret (or the access token), and that the consumer is private and may write repositories.",
		}
	case code == http.StatusForbidden:
		return &mirror.Fault{
			Code: mirror.CodePermissionDenied, Class: mirror.Permanent, Err: cause,
			Message: shown("The git server refuses access to the repository."), Remedy: permissionRemedy(string(raw)),
		}
	case code == http.StatusGone:
		return &mirror.Fault{
			Code: mirror.CodePermissionDenied, Class: mirror.Permanent, Err: cause,
			Message: shown("The git server no longer accepts this kind of access."),
			Remedy:  "Use an OAuth consumer's client id and secret, or a repository access token.",
		}
	case code == http.StatusRequestEntityTooLarge:
		return &mirror.Fault{
			Code: mirror.CodePushRefused, Class: mirror.Permanent, Err: fmt.Errorf("%w: %w", mirror.ErrTooLarge, cause),
			Message: fmt.Sprintf("The git server, or a proxy in front of it, takes no requests of %d bytes (413 %s).", r.length, http.StatusText(code)),
			Remedy:  "Have the limit raised. Most often it is that of a reverse proxy in front of Bitbucket Data Center: nginx takes 1 MB unless client_max_body_size says more.",
		}
	case code == http.StatusTooManyRequests:
		return &mirror.Fault{
			Code: mirror.CodeRateLimited, Class: mirror.Transient, Err: cause, RetryAfter: retryAfter(a.Response),
			Message: "The git server asks for fewer requests.", Remedy: "It is tried again by itself when the host allows it.",
		}
	case code >= 500 || code == http.StatusRequestTimeout:
		f := networkFault(fmt.Sprintf("The git server answers %d %s.", code, http.StatusText(code)), cause)
		f.RetryAfter = retryAfter(a.Response)
		return f
	case isRedirect(code):
		return somebodyElse("The git server redirects.", cause)
	default:
		return networkFault(fmt.Sprintf("The git server answers %d %s.", code, http.StatusText(code)), cause)
	}
}

// refusedElsewhere tells of a refusal by the server that a redirect led to: it knows nothing
// of the credentials, so nothing that it says is about them.
func (t *transport) refusedElsewhere(err error) error {
	f := mirror.AsFault(err)
	if f.Class != mirror.Permanent {
		return err
	}
	there := t.base.Scheme + "://" + t.base.Host
	return &mirror.Fault{
		Code: mirror.CodeConnectionFailed, Class: mirror.Permanent, Err: f.Err,
		Message: "The git server redirects to " + there + ", which refuses access: credentials go to the server of git_url only.",
		Remedy:  "Set git_url to " + there + " (and api_url and oauth_url, if they moved too) if the repository is there now, or have the redirect removed.",
	}
}

func notFound(text string, cause error) *mirror.Fault {
	message := "The repository does not exist, or the credentials do not reach it."
	if text != "" {
		message = text
	}
	return &mirror.Fault{
		Code: mirror.CodeRepositoryNotFound, Message: message, Class: mirror.Permanent, Err: cause,
		Remedy: "Check workspace and repository (and git_url, where it is set), and that the credentials belong to that workspace and may read the repository.",
	}
}

func permissionRemedy(body string) string {
	switch {
	case containsFold(body, "privilege scopes", "scope"):
		return "Give the OAuth consumer (or token) the permissions Repositories: Read and Write."
	case containsFold(body, "whitelist", "allowlist", "allow list", "your IP"):
		return "Add this machine's address to the workspace's IP allow-list."
	case containsFold(body, "two-step"):
		return "The workspace requires two-step verification: use an OAuth consumer or access token that it accepts."
	}
	return "Give the OAuth consumer (or token) access to the repository, with the permissions Repositories: Read and Write."
}

// statusError is the HTTP side of a fault, for the log.
type statusError struct {
	code int
	text string
}

func (e *statusError) Error() string {
	if e.text == "" {
		return fmt.Sprintf("HTTP %d", e.code)
	}
	return fmt.Sprintf("HTTP %d: %s", e.code, e.text)
}

func isHTML(contentType string, body []byte) bool {
	head := strings.ToLower(strings.TrimSpace(string(body[:min(len(body), 64)])))
	return strings.Contains(strings.ToLower(contentType), "html") || strings.HasPrefix(head, "<!doctype") || strings.HasPrefix(head, "<html")
}

// retryAfter reads seconds or a date, bounded to an hour.
func retryAfter(r *http.Response) time.Duration {
	v := r.Header.Get("Retry-After")
	d := time.Duration(0)
	if n, err := strconv.Atoi(v); err == nil && n > 0 {
		d = time.Duration(min(n, 3600)) * time.Second
	} else if at, err := http.ParseTime(v); err == nil {
		now := time.Now()
		if sent, err := http.ParseTime(r.Header.Get("Date")); err == nil {
			now = sent
		}
		d = at.Sub(now)
	}
	return max(0, min(d, time.Hour))
}
