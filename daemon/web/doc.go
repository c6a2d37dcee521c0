// Package web is the daemon's HTTP side: the webhook, health, metrics and the API.
package web
