package bitbucket

import (
	"context"
	"net/url"
)

// maxPages bounds every list: what comes after is not looked at.
const maxPages = 6

// page is a page of a list. Only values is always there, and next is opaque.
type page[T any] struct {
	Values []T    `json:"values"`
	Next   string `json:"next"`
}

// list reads a list page by page until take wants no more.
func list[T any](ctx context.Context, c *Client, first request, take func(T) (more bool)) error {
	r := first
	for range maxPages {
		var p page[T]
		if err := c.send(ctx, r, &p); err != nil {
			return err
		}
		for _, v := range p.Values {
			if !take(v) {
				return nil
			}
		}
		if p.Next == "" {
			return nil
		}
		next, err := c.nextPage(p.Next)
		if err != nil {
			return err
		}
		r = request{address: next, scope: first.scope}
	}
	return nil
}

// nextPage checks where a link leads before a token goes there.
func (w *wire) nextPage(link string) (string, error) {
	u, err := url.Parse(link)
	if err != nil {
		return "", unexpected(nil)
	}
	u = w.base.ResolveReference(u)
	if !w.own(u) {
		return "", connectionFailed(w.base.Host+" continues a list at "+u.Scheme+"://"+u.Host+
			", and credentials are not sent there: check api_url.", nil)
	}
	return u.String(), nil
}
