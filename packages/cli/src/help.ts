/** The text after the options of `countersign --help`. */
export const commandHelp: string = `
Examples:
  $ countersign dev --service production/core-api
  $ countersign fetch --watch
  $ countersign readiness billing.log
  $ countersign policy check policies/
  $ countersign dev --help

Exit codes: 0 success, 1 failure, 2 the command line is
wrong.`

/** The text after the options of `countersign dev --help`. */
export const devHelp: string = `
Examples:
  An agent for one service, spiffe://dev.example/ns/production/sa/core-api:
  $ countersign dev --service production/core-api

  Two services whose SVIDs are replaced every 30 s, and a partner to trust:
  $ countersign dev --trust-domain saas.example --service production/core-api \\
      --service production/billing --ttl 60s --federate partner.example

  The service, in another terminal, with the line that dev printed first:
  $ export SPIFFE_ENDPOINT_SOCKET=unix:///run/user/1000/countersign-dev.sock
  $ node server.js

  On a port, for Java, because grpc-java cannot use Node's Unix sockets:
  $ countersign dev --service production/core-api --socket tcp://127.0.0.1:0

Every client of the socket gets all SVIDs. The first --service is the default;
choose another by its hint, which is the value of --service:
workloadApiSource({ hint: 'production/billing' }).

It runs until Ctrl-C, SIGTERM or SIGHUP, and then removes its socket. Its
authorities are new at each start.

Exit codes: 0 it was stopped, 1 the socket or port is in use or cannot be
made, 2 the command line is wrong.`

/** The text after the options of `countersign fetch --help`. */
export const fetchHelp: string = `
Examples:
  $ countersign fetch
  $ countersign fetch --socket unix:///run/spire/agent.sock
  $ countersign fetch --watch
  $ countersign fetch --json | jq -r .expiresAt

Private keys are never printed. --watch runs until Ctrl-C, even while the
agent is unavailable.

Exit codes: 0 there is an SVID, or --watch was stopped; 1 the agent returns
nothing usable; 2 the command line is wrong, or the endpoint is missing.`

/** The text after the options of `countersign readiness --help`. */
export const readinessHelp: string = `
Examples:
  $ countersign readiness https://billing:8443/internal/readiness \\
      --server spiffe://saas.example/ns/production/sa/billing
  $ countersign readiness http://127.0.0.1:9000/readiness --format json
  $ kubectl logs billing-0 | countersign readiness - --min-period 7d

The report is what guard.readiness() returns, as JSON. From a log, the last
line counts that is such an object or has one as a property. Each instance of
a service has a report of its own, which begins with its process.

Without --server, an https:// URL is verified like a website.

Exit codes: 0 ready; 1 not ready, or there is no report, or it is older than
--max-age or covers less than --min-period; 2 the command line is wrong.`
