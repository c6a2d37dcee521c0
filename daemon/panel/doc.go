// Package panel is the admin panel: pages for people, at /.
//
//	server := web.New(...)
//	server.Mount(panel.New(panel.Options{Server: server, DB: database, Engine: engine}))
//
// # A page's way
//
// Pages are rendered here, from what the database says: none waits for the repository's
// host. What they change they change through the API, with htmx: a form or button names the
// route and the fields, and panel.js sends them as JSON. So the panel can do nothing that
// the API cannot, and what is refused is refused in the same words.
//
// A page is live: where it says data-live, panel.js follows the API's events and has the page
// rendered anew when something happens, and takes over its part #live. What somebody is
// typing into is no part of that.
//
// # Who sees what
//
// Without sign-in there are the sign-in page and the assets, which tell nothing about
// organizations. The sessions are the API's; see web.Server.SignIn. Pages load nothing from
// other hosts and run no inline script, and their policy (Content-Security-Policy) lets
// nothing of that happen, whatever a name or a file has in it.
package panel
