// Package configs loads the daemon's configuration.
//
// A value comes from the first of these that sets it: the environment
// (CONFMIRROR_SYNC_POLL for the key sync.poll), the YAML file, the default. All
// three layers go through one table of keys, which is [Config] itself: its yaml
// tags name the keys, the file's nesting and the variables both follow from them.
//
//	Load  =  defaults  ->  file  ->  environment  ->  secrets' files  ->  check
//
// Everything is strict. An unknown key or variable, a value of the wrong type and
// a value out of its range are errors that name the key and where it stands; all
// of them are reported at once, in one [*Error]. A secret's value is in none of
// them, nor is the line of the file that holds it.
//
// Empty is not absent: a key left out (or null) has its default, `api_url: ""` is a
// plain git host. An empty environment variable counts as left out, so that
// `CONFMIRROR_ADMIN_TOKEN=${TOKEN:-}` does no harm, except for API_URL of a mirror,
// where empty is a value of its own.
//
// Watch tells when a file may have changed, Changes which keys did, and Adoptable what of
// it a running daemon can take up.
//
// The package also holds what an operator starts from: confmirror.example.yaml,
// a systemd unit, a Compose file and Kubernetes manifests.
package configs
