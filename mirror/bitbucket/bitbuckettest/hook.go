package bitbuckettest

import (
	"net/http"
	"time"
)

// Hook is a webhook of a repository.
type Hook struct{}

func newHookClient(timeout time.Duration) *http.Client {
	return &http.Client{Timeout: timeout, Transport: &http.Transport{}}
}

func (r *Repo) announce(by *principal, changes []refChange, before map[string]string) error {
	return nil
}
