/** The text after the options of `countersign --help`. */
export const commandHelp: string = `
Examples:
  $ countersign dev --service production/core-api
  $ countersign fetch --watch
  $ countersign dev --help

Exit codes: 0 all went well, 1 it could not be done, 2 the command line is
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

  On a port, for Java: grpc-java cannot use Node's Unix sockets:
  $ countersign dev --service production/core-api --socket tcp://127.0.0.1:0

Everybody on the socket gets all SVIDs. The first --service is the default;
another is chosen by its hint, which is what --service says:
workloadApiSource({ hint: 'production/billing' }).

It stays until Ctrl-C, SIGTERM or SIGHUP, and removes its socket. Its
authorities are new at each start.

Exit codes: 0 it was asked to end, 1 the socket or port is in use or cannot be
made, 2 the command line is wrong.`

/** The text after the options of `countersign fetch --help`. */
export const fetchHelp: string = `
Examples:
  $ countersign fetch
  $ countersign fetch --socket unix:///run/spire/agent.sock
  $ countersign fetch --watch
  $ countersign fetch --json | jq -r .expiresAt

Private keys are never printed. --watch goes on until Ctrl-C, also while the
agent is away.

Exit codes: 0 there is an SVID, or --watch was asked to end; 1 the agent gives
nothing usable; 2 the command line is wrong, or no endpoint is given.`
