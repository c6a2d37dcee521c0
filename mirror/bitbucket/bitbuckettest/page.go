package bitbuckettest

import (
	"net/http"
	"strconv"
)

// page answers a part of a list (https://developer.atlassian.com/cloud/bitbucket/rest/intro/#pagination).
// more is the longest page that may be asked for.
func (c *restCall) page(values []object, more int) {
	q := c.URL.Query()
	length, number := 10, 1
	if n, err := strconv.Atoi(q.Get("pagelen")); err == nil {
		length = n
	}
	if n, err := strconv.Atoi(q.Get("page")); err == nil {
		number = n
	}
	if length < 1 || length > more || number < 1 {
		c.refuse(http.StatusBadRequest, "Invalid pagelen", nil)
		return
	}
	from := min((number-1)*length, len(values))
	to := min(from+length, len(values))
	answer := object{"values": values[from:to], "pagelen": length, "size": len(values), "page": number}
	if to < len(values) {
		q.Set("page", strconv.Itoa(number+1))
		answer["next"] = c.repo.server.URL() + c.URL.EscapedPath() + "?" + q.Encode()
	}
	c.ok(answer)
}
