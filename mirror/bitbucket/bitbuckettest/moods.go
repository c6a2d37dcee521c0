package bitbuckettest

import (
	"net/http"
	"strconv"
)

// Faults with Bitbucket's own words, for Inject.

// ScopesMissing: the credentials lack a scope.
func ScopesMissing() Fault { return Fault{Status: http.StatusForbidden, Body: textScopes} }

// AddressBlocked: the workspace's IP allow-list does not name the client.
func AddressBlocked() Fault { return Fault{Status: http.StatusForbidden, Body: textIPBlocked} }

// TwoStepRequired: the workspace wants two-step verification.
func TwoStepRequired() Fault { return Fault{Status: http.StatusForbidden, Body: textTwoStep} }

// Missing: no such repository, or none that the credentials may see.
func Missing() Fault { return Fault{Status: http.StatusNotFound, Body: textNoAccess} }

// AppPasswordsGone: what an app password gets since 28 July 2026.
func AppPasswordsGone() Fault { return Fault{Status: http.StatusGone, Body: textAppPasswords} }

// TooManyRequests: text/plain, and without a Retry-After when seconds is 0, as
// from Bitbucket.
func TooManyRequests(seconds int) Fault {
	f := Fault{Status: http.StatusTooManyRequests, Body: textRateLimit}
	if seconds > 0 {
		f.Header = http.Header{"Retry-After": {strconv.Itoa(seconds)}}
	}
	return f
}

// TooLarge is the page of nginx, in front of a Data Center, for bodies of more bytes than
// its client_max_body_size.
func TooLarge(limit int64) Fault {
	return Fault{
		Above: limit, Status: http.StatusRequestEntityTooLarge,
		Header: http.Header{"Content-Type": {"text/html"}},
		Body: "<html>\r\n<head><title>413 Request Entity Too Large</title></head>\r\n<body>\r\n" +
			"<center><h1>413 Request Entity Too Large</h1></center>\r\n<hr><center>nginx/1.24.0</center>\r\n</body>\r\n</html>\r\n",
	}
}

// Down answers a 5xx with the web page of a load balancer.
func Down(status int) Fault {
	return Fault{
		Status: status,
		Header: http.Header{"Content-Type": {"text/html; charset=utf-8"}},
		Body:   "<!DOCTYPE html>\n<html><head><title>Bitbucket</title></head><body>Something went wrong</body></html>\n",
	}
}
