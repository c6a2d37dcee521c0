package bitbucket

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/confmirror/confmirror/mirror"
)

// fault tells what a refusal means and what an operator can do.
//
//	3xx          a redirect to another origin      CONNECTION_FAILED
//	401          twice, with a fresh token         CONNECTION_FAILED
//	403          scopes, allow-list, two-step      PERMISSION_DENIED
//	404          workspace                         CONNECTION_FAILED
//	404          repository, or no access to it    REPOSITORY_NOT_FOUND
//	410          the interface changed             CONNECTION_FAILED
//	429                                            RATE_LIMITED
//	other 4xx    what was asked for is not taken   REQUEST_REFUSED
//	5xx (555)    Bitbucket's trouble, timeouts     NETWORK_UNREACHABLE
func (c *Client) fault(e *APIError) *mirror.Fault {
	name := c.target.Workspace + "/" + c.target.Slug
	switch e.Status {
	case http.StatusUnauthorized:
		return connectionFailed("Bitbucket gave a token and then refused it: check that the OAuth consumer belongs to the workspace "+
			c.target.Workspace+". A consumer of a personal workspace reaches that workspace only.", e)
	case http.StatusForbidden:
		return c.forbidden(e)
	case http.StatusNotFound:
		if e.says("no workspace with identifier") {
			return connectionFailed("There is no workspace "+c.target.Workspace+
				": take its ID from the repository's address, https://bitbucket.org/{workspace}/{repository}.", e)
		}
		f := &mirror.Fault{
			Code:    mirror.CodeRepositoryNotFound,
			Message: "The repository " + name + " does not exist, or these credentials may not see it.",
			Remedy: "Check workspace and repository against the address https://bitbucket.org/{workspace}/{repository}. " +
				"If they are right, the OAuth consumer must belong to the workspace " + c.target.Workspace + ".",
			Class: mirror.Permanent, Err: e,
		}
		if strings.TrimRight(c.base.String(), "/") != mirror.DefaultAPIURL { // it may be nobody's word on a repository
			f.Remedy += " Check api_url, too; Bitbucket Cloud's is " + mirror.DefaultAPIURL + "."
		}
		return f
	case http.StatusGone:
		remedy := "Bitbucket has withdrawn what this version of confmirror uses: update confmirror."
		if e.says("app password") {
			remedy = "App passwords have ended: use an OAuth consumer's client ID and secret."
		}
		if page := e.announcement(); page != "" {
			remedy += " See " + page + "."
		}
		return connectionFailed(remedy, e)
	case http.StatusTooManyRequests:
		return rateLimited(e.retryAfter, e)
	}
	if e.Status >= 300 && e.Status < 400 {
		return connectionFailed(fmt.Sprintf("%s redirects to %s, and credentials are not sent there: check api_url.", c.base.Host, e.location), e)
	}
	if e.Status >= 400 && e.Status < 500 && e.Status != http.StatusRequestTimeout {
		return refused(e)
	}
	return outOfOrder(e)
}

// refused: the request itself is not taken.
func refused(e *APIError) *mirror.Fault {
	said := e.words()
	if said == "" {
		said = statusText(e.Status)
	}
	return &mirror.Fault{
		Code:    mirror.CodeRequestRefused,
		Message: "Bitbucket's REST interface does not take what confmirror asks for: " + said,
		Remedy:  "Nothing else is concerned: files and rows are mirrored all the same. Change what Bitbucket names; it will be tried again at the next occasion.",
		Class:   mirror.Permanent, Err: e,
	}
}

// outOfOrder: the host has troubles of its own.
func outOfOrder(e *APIError) *mirror.Fault {
	f := unreachable("Bitbucket's REST interface does not work at the moment ("+statusText(e.Status)+").", e)
	f.RetryAfter = e.retryAfter
	return f
}

// because gives a fault a cause that callers can act on, and words for it.
func because(f *mirror.Fault, cause error, message, remedy string) *mirror.Fault {
	return &mirror.Fault{
		Code: f.Code, Message: message, Remedy: remedy,
		Class: f.Class, Err: fmt.Errorf("%w: %w", cause, f.Err),
	}
}

// refusal finds what the host refused in an error of do.
func refusal(err error) (*mirror.Fault, *APIError) {
	f, ok := errors.AsType[*mirror.Fault](err)
	e, said := errors.AsType[*APIError](err)
	if !ok || !said {
		return nil, nil
	}
	return f, e
}

func (c *Client) forbidden(e *APIError) *mirror.Fault {
	f := &mirror.Fault{
		Code:    mirror.CodePermissionDenied,
		Message: "Bitbucket refuses access to " + c.target.Workspace + "/" + c.target.Slug + " with these credentials.",
		Class:   mirror.Permanent, Err: e,
	}
	switch {
	case e.says("whitelist your ip") || e.says("allowlist"):
		f.Remedy = "The workspace allows only listed IP addresses: have an administrator add this machine's."
	case e.says("two-step"):
		f.Remedy = "The workspace requires two-step verification: use an OAuth consumer of the workspace."
	case e.says("authentication mechanism"):
		f.Remedy = "This kind of credential is not accepted here: use an OAuth consumer's client ID and secret."
	default:
		scopes := e.scopes()
		names := scopes.Required
		if e.says("privilege scopes") {
			f.Err = fmt.Errorf("%w: %w", scopes, e)
		} else if slices.Contains(setupScopes, e.scope) {
			names = setupScopes // whatever else is missing
		}
		f.Remedy = "Give the OAuth consumer these permissions: " + scopeNames(names) + "."
	}
	return f
}
