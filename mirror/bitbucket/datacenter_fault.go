package bitbucket

import (
	"fmt"
	"net/http"

	"github.com/confmirror/confmirror/mirror"
)

// serverScopeTitles are the names of permissions in the form where a token is made.
var serverScopeTitles = map[string]string{
	repoRead: "Repository read", repoWrite: "Repository write", repoAdmin: "Repository admin",
}

// fault tells what a refusal of Data Center means. Its exceptions' names are part of the
// interface, its texts are translated.
//
//	3xx          a redirect to another origin      CONNECTION_FAILED
//	401          AuthorisationException            PERMISSION_DENIED
//	401          anything else                     CONNECTION_FAILED
//	403                                            PERMISSION_DENIED
//	404          project, repository, no word      REPOSITORY_NOT_FOUND
//	429                                            RATE_LIMITED
//	other 4xx    what was asked for is not taken   REQUEST_REFUSED
//	5xx                                            NETWORK_UNREACHABLE
func (d *DataCenter) fault(e *APIError) *mirror.Fault {
	name := d.target.Workspace + "/" + d.target.Slug
	switch {
	case e.unauthorised() || e.Status == http.StatusForbidden:
		return d.forbidden(e, name)
	case e.Status == http.StatusUnauthorized:
		return connectionFailed("Bitbucket refused the access token: it is wrong, expired or revoked. "+
			"Make a new HTTP access token for the repository, with the permission "+serverScopeTitles[repoWrite]+".", e)
	case e.Status == http.StatusNotFound && (e.Exception == "" || e.Exception == "NoSuchRepositoryException" || e.Exception == "NoSuchProjectException"):
		return &mirror.Fault{
			Code:    mirror.CodeRepositoryNotFound,
			Message: "The repository " + name + " does not exist, or this token may not see it.",
			Remedy: "Check api_url, project and repository against the address " + d.base.Scheme + "://" + d.base.Host +
				"/projects/{project}/repos/{repository}, and that the token is one of this repository or its project.",
			Class: mirror.Permanent, Err: e,
		}
	case e.Status == http.StatusTooManyRequests:
		f := rateLimited(e.retryAfter, e)
		f.Message = "Bitbucket limits how many requests this token may make."
		f.Remedy = "It will be tried again later. If this lasts, have an administrator exempt the token's user from rate limiting."
		return f
	case e.Status >= 300 && e.Status < 400:
		return connectionFailed(fmt.Sprintf("%s redirects to %s, and credentials are not sent there: check api_url.", d.base.Host, e.location), e)
	case e.Status >= 400 && e.Status < 500 && e.Status != http.StatusRequestTimeout:
		return refused(e)
	}
	f := outOfOrder(e)
	f.Remedy = "It will be tried again. If this lasts, ask whoever runs " + d.base.Host + "."
	return f
}

func (d *DataCenter) forbidden(e *APIError, name string) *mirror.Fault {
	f := &mirror.Fault{
		Code:    mirror.CodePermissionDenied,
		Message: "Bitbucket refuses access to " + name + " with this token.",
		Class:   mirror.Permanent, Err: e,
	}
	if e.unauthorised() {
		scopes := e.scopes()
		f.Remedy = "Give the HTTP access token a higher permission"
		if title := serverScopeTitles[e.scope]; title != "" {
			f.Remedy += ": " + title
		}
		f.Remedy += ". If its user has none, raise the user's first."
		f.Err = fmt.Errorf("%w: %w", scopes, e)
		return f
	}
	f.Remedy = "Ask an administrator of Bitbucket."
	if said := e.words(); said != "" {
		f.Remedy = "Bitbucket says: " + said + " Ask an administrator of Bitbucket."
	}
	return f
}
