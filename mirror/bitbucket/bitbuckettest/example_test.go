package bitbuckettest_test

import (
	"fmt"

	"github.com/confmirror/confmirror/mirror"
	"github.com/confmirror/confmirror/mirror/bitbucket/bitbuckettest"
)

func Example() {
	server, err := bitbuckettest.New(bitbuckettest.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer server.Close()
	consumer := server.AddConsumer(bitbuckettest.Consumer{Workspace: "acme-corp"})
	repo, err := server.CreateRepository("acme-corp", "webrix-sync")
	if err != nil {
		fmt.Println(err)
		return
	}
	// What is tested gets server.GitURL(), server.APIURL(), server.OAuthURL(),
	// consumer.Key and consumer.Secret. The test plays the other people.
	_ = consumer
	ada := mirror.Signature{Name: "Ada", Email: "ada@example.com"}
	if _, err := repo.Commit("main", ada, "Add a toolkit", bitbuckettest.Write("toolkits/a.json", "{}\n")); err != nil {
		fmt.Println(err)
		return
	}
	files, err := repo.Files("main")
	fmt.Printf("%q %v\n", files, err)
	log, err := repo.Log("main")
	fmt.Println(log[0].Subject(), log[0].Author.Name, err)
	// Output:
	// map["toolkits/a.json":"{}\n"] <nil>
	// Add a toolkit Ada <nil>
}
