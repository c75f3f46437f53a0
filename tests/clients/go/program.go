// The steps of README.md with the client that comes with Toxiproxy.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"sort"
	"syscall"
	"time"

	toxiproxy "github.com/Shopify/toxiproxy/v2/client"
)

var kinds = []string{"latency", "bandwidth", "slow_close", "timeout", "reset_peer", "slicer", "limit_data"}

func say(step string, seen any) {
	line, err := json.Marshal(map[string]any{"step": step, "seen": seen})
	must(err)
	fmt.Println(string(line))
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}

// ask gives the time until the echo; zero when refused.
func ask(proxy *toxiproxy.Proxy) time.Duration {
	began := time.Now()
	sock, err := net.DialTimeout("tcp", proxy.Listen, 5*time.Second)
	if errors.Is(err, syscall.ECONNREFUSED) {
		return 0
	}
	must(err)
	defer sock.Close()
	_, err = sock.Write([]byte("x"))
	must(err)
	_, err = sock.Read(make([]byte, 1))
	must(err)
	return time.Since(began)
}

func main() {
	host, port, behind := os.Args[1], os.Args[2], os.Args[3]
	api := toxiproxy.NewClient(host + ":" + port)
	upstream := "127.0.0.1:" + behind
	version, err := api.Version()
	must(err)
	say("version", string(version))

	proxy, err := api.CreateProxy("mine", "127.0.0.1:0", upstream)
	must(err)
	say("created", []any{proxy.Name, proxy.Enabled})
	say("asked", ask(proxy) > 0)
	slow, err := proxy.AddToxic("slow", "latency", "", 1, toxiproxy.Attributes{"latency": 150})
	must(err)
	say("slow", slow)
	say("slowed", ask(proxy) >= 150*time.Millisecond)
	slow, err = proxy.UpdateToxic("slow", 0.5, toxiproxy.Attributes{"jitter": 7})
	must(err)
	say("updated", slow)
	must(proxy.RemoveToxic("slow"))
	for _, kind := range kinds {
		_, err = proxy.AddToxic("", kind, "upstream", 0, nil)
		must(err)
	}
	toxics, err := proxy.Toxics()
	must(err)
	say("every toxic", toxics)

	must(proxy.Disable())
	say("disabled", []any{proxy.Enabled, ask(proxy) > 0})
	must(proxy.Enable())
	_, err = api.CreateProxy("mine", "127.0.0.1:0", upstream)
	say("again", err.Error())
	made, err := api.Populate([]toxiproxy.Proxy{
		{Name: "a", Listen: "127.0.0.1:0", Upstream: "127.0.0.1:9", Enabled: true},
		{Name: "b", Listen: "127.0.0.1:0", Upstream: "127.0.0.1:9", Enabled: true},
	})
	must(err)
	say("populated", len(made))
	must(api.ResetState())
	toxics, err = proxy.Toxics()
	must(err)
	say("reset", []any{toxics, ask(proxy) > 0})

	proxies, err := api.Proxies()
	must(err)
	names := []string{}
	for name, each := range proxies {
		names = append(names, name)
		must(each.Delete())
	}
	sort.Strings(names)
	proxies, err = api.Proxies()
	must(err)
	say("deleted", []any{names, len(proxies)})
}
