package cli

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/spf13/cobra"

	"github.com/confmirror/confmirror/configs"
)

// healthLimit is below the five seconds that the image gives the command.
const healthLimit = 4 * time.Second

func (p *Program) healthcheckCommand() *cobra.Command {
	return &cobra.Command{
		Use:    "healthcheck",
		Short:  "Ask the daemon on this machine whether it is alive",
		Long:   "Ask GET /healthz of the daemon at http.listen: for containers, whose images have no curl.",
		Hidden: true,
		Args:   cobra.NoArgs,
		RunE:   p.work(func(ctx context.Context, _ []string) error { return p.healthcheck(ctx) }),
	}
}

func (p *Program) healthcheck(ctx context.Context) error {
	c, err := p.load()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, healthLimit)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+configs.Reachable(c.HTTP.Listen)+"/healthz", nil)
	if err != nil {
		return err
	}
	// No proxy: the daemon is on this machine.
	client := &http.Client{Transport: &http.Transport{}}
	defer client.CloseIdleConnections()
	answer, err := client.Do(request)
	if err != nil {
		return err
	}
	answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answers %s", request.URL, answer.Status)
	}
	return nil
}
