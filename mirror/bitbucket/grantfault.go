package bitbucket

import (
	"fmt"
	"net/http"
	"strings"

	"github.com/confmirror/confmirror/mirror"
)

// grantFault tells what a refusal of the token endpoint means.
//
//	400 401 403 with a known error code     the settings are wrong: permanent
//	404, other 4xx                          the endpoint's address is wrong: permanent
//	429                                     rate limited
//	5xx, errors that say so                 passing
//	HTML, redirects, broken JSON            passing, or the address is wrong
//
// All sourced refusals are 400; 401 and 403 are what RFC 6749 would have.
func (s *TokenSource) grantFault(answer *http.Response, g grantAnswer, isJSON bool) error {
	status := answer.StatusCode
	err := fmt.Errorf("token endpoint: %s", statusText(status))
	if g.Error != "" {
		err = fmt.Errorf("%w: %s", err, s.clean(g.Error))
	}
	switch {
	case status == http.StatusTooManyRequests:
		return rateLimited(retryAfter(answer.Header.Get("Retry-After"), s.now()), err)
	case status >= 500:
		return unreachable("Bitbucket's token endpoint does not work at the moment.", err)
	case status >= 300 && status < 400:
		return somebodyElse("Bitbucket's token endpoint redirects, and credentials are not sent there.", "oauth_url", mirror.DefaultOAuthURL, err)
	case isJSON && (g.Error == "temporarily_unavailable" || g.Error == "server_error"): // RFC 6749, 4.1.2.1
		return unreachable("Bitbucket's token endpoint does not work at the moment.", err)
	case isJSON && g.Error != "":
		return connectionFailed(s.grantRemedy(g), err)
	case status == http.StatusNotFound || status == http.StatusMethodNotAllowed:
		return connectionFailed("There is no token endpoint at oauth_url; Bitbucket Cloud's is "+mirror.DefaultOAuthURL+".", err)
	default:
		// A proxy's or firewall's page, not Bitbucket's word on the consumer.
		return somebodyElse("Bitbucket's token endpoint answered with something unexpected.", "oauth_url", mirror.DefaultOAuthURL, err)
	}
}

// grantRemedy tells what to change. The error codes are ambiguous (a public consumer
// and an unknown grant are both invalid_grant), the description is not.
func (s *TokenSource) grantRemedy(g grantAnswer) string {
	description := s.clean(g.Description)
	lower := strings.ToLower(description)
	var remedy string
	switch {
	case strings.Contains(lower, "public"):
		remedy = `The OAuth consumer is not private: tick "This is a private consumer" in the workspace's settings under OAuth consumers.`
	case strings.Contains(lower, "must be authenticated"):
		remedy = "Client ID and client secret did not arrive: check that both are set."
	case g.Error == "unauthorized_client" || g.Error == "invalid_client":
		remedy = "Client ID or client secret is wrong: copy both again from the workspace's settings under OAuth consumers."
	case g.Error == "unsupported_grant_type" || strings.Contains(lower, "grant type"):
		remedy = "The token endpoint does not offer the client_credentials grant: check oauth_url."
	default:
		remedy = "Check the OAuth consumer in the workspace's settings: it must be private and have a callback URL."
	}
	if description != "" {
		remedy += " Bitbucket says: " + description
	}
	return remedy
}

// clean makes a remote's text fit to show, whatever it echoes.
func (s *TokenSource) clean(text string) string {
	id, secret := s.consumer.ID, s.consumer.Secret.Reveal()
	return cleanText(text, mirror.BasicAuth(id, secret), secret, id)
}

func connectionFailed(remedy string, err error) *mirror.Fault {
	return &mirror.Fault{
		Code: mirror.CodeConnectionFailed, Message: mirror.ConnectionFailedMessage,
		Remedy: remedy, Class: mirror.Permanent, Err: err,
	}
}
