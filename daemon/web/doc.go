// Package web is the daemon's HTTP side: Bitbucket's webhook, health, metrics, the API, and
// who is signed in to the pages that are mounted beside it.
//
//	handler := web.New(web.Options{DB: database, Engine: engine, AdminToken: token, ...})
//
// # Who may do what
//
//	/api/bitbucket/webhook  anybody; a delivery is believed when its signature verifies
//	/healthz /readyz        anybody; they tell nothing about organizations
//	/metrics                this machine (the TCP peer, and no proxy in between), or the admin token
//	/api/v1                 the admin token, as "Authorization: Bearer", or a browser that is signed in
//	everything else         whoever is mounted: the panel, which is signed in to here
//
// Wrong tokens cost their sender: see [limiter]. Browsers may change nothing from
// another site's page (http.CrossOriginProtection); the webhook is exempt, for a
// signature says more than an Origin.
//
// # A request's way
//
// measure (counters, log) > guard (panics, headers) > route > authenticate > the
// organization's row > the handler. Handlers return errors; fault.go says which
// status and words each becomes, and what it does not know is a 500 whose text stays
// in the log. Nothing here logs or answers a query string, a body or a credential.
//
// No handler waits for Bitbucket but those that are asked to: PUT mirror/connection
// and POST mirror/connection/test, POST mirror/sync?wait=true and GET mirror/plan.
//
// The routes are one table ([routes]), and the OpenAPI document is made from it, so
// neither can have what the other lacks.
package web
