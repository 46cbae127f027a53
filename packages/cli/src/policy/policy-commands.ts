import * as help from './policy-help.ts'
import type { PolicyCommand, PolicyOption } from './policy-command.ts'

const json: PolicyOption = { flags: '--json', description: 'print one JSON object and nothing else' }

const service: readonly PolicyOption[] = [
  { flags: '--as <id>', description: 'the SPIFFE ID of the service that uses the documents' },
  {
    flags: '--trust-domain <name>',
    description: "a trust domain whose callers it accepts; repeatable (default: the service's own)",
    isRepeatable: true,
  },
  {
    flags: '--namespace <name>',
    description: "a namespace whose services have short authorities; repeatable (default: the service's own)",
    isRepeatable: true,
  },
  { flags: '--authorities <file>', description: 'a mapping of SPIFFE IDs to further authorities, in YAML or JSON' },
  {
    flags: '--accept <credential>',
    description:
      'a credential that callers may use: x509-svid, forwarded, asserted, jwt-svid; repeatable (default: x509-svid)',
    isRepeatable: true,
  },
  { flags: '--permissive', description: 'permissive mode, in which callers may be anonymous' },
  json,
]

const request: readonly PolicyOption[] = [
  { flags: '--credential <kind>', description: 'the credential of the caller (default: x509-svid)' },
  { flags: '--header <line>', description: "a header, such as 'x-tenant: blue'; repeatable", isRepeatable: true },
  { flags: '--host <name>', description: 'the host of the request (default: not known)' },
  { flags: '--port <number>', description: 'the port of the service (default: not known)' },
  { flags: '--address <ip>', description: "the address of the connection's peer (default: not known)" },
]

const log: PolicyOption = { flags: '--log <file>', description: 'a decision log: JSON lines; - for the standard input' }

/** The commands below `countersign policy`, in the order of its help. Their modules are loaded when they run. */
export const policyCommands: readonly PolicyCommand[] = [
  {
    name: 'check',
    arguments: '<files...>',
    description: 'Check documents, and print errors and warnings with their positions.',
    options: [...service, { flags: '--strict', description: 'warnings are errors' }],
    help: help.checkHelp,
    run: async ([documents], flags, context) => (await import('./run-check.ts')).runCheck(documents, flags, context),
  },
  {
    name: 'explain',
    arguments: '<caller> <method> <path> <files...>',
    description: 'Explain, layer by layer, how a request would be decided.',
    options: [...request, ...service],
    help: help.explainHelp,
    run: async (given, flags, context) => (await import('./run-explain.ts')).runExplain(given, flags, context),
  },
  {
    name: 'who-can',
    arguments: '<method> <path> <files...>',
    description: 'List the callers that may send a request.',
    options: [log, ...service],
    help: help.whoCanHelp,
    run: async (given, flags, context) => (await import('./run-who-can.ts')).runWhoCan(given, flags, context),
  },
  {
    name: 'what-can',
    arguments: '<caller> <files...>',
    description: 'List what a caller may request.',
    options: [log, ...service],
    help: help.whatCanHelp,
    run: async (given, flags, context) => (await import('./run-what-can.ts')).runWhatCan(given, flags, context),
  },
  {
    name: 'matrix',
    arguments: '<files...>',
    description: 'Show which callers may request what.',
    options: [
      { flags: '--html <file>', description: 'write one self-contained page instead' },
      log,
      {
        flags: '--routes <file>',
        description: "the routes: lines such as 'GET /invoices/:id' (default: the patterns)",
      },
      ...service,
    ],
    help: help.matrixHelp,
    run: async ([documents], flags, context) => (await import('./run-matrix.ts')).runMatrix(documents, flags, context),
  },
  {
    name: 'diff',
    arguments: '<old> <new>',
    description: 'Replay a decision log, and list the requests that a change would decide differently.',
    options: [log, ...service],
    help: help.diffHelp,
    run: async (given, flags, context) => (await import('./run-diff.ts')).runDiff(given, flags, context),
  },
  {
    name: 'test',
    arguments: '<table> <files...>',
    description: 'Check a table of requests and their expected decisions, for CI.',
    options: service,
    help: help.testHelp,
    run: async (given, flags, context) => (await import('./run-test.ts')).runTest(given, flags, context),
  },
  {
    name: 'convert',
    arguments: '<module>',
    description: 'Write the rules and policies of a JavaScript module as a document.',
    options: [{ flags: '--json', description: 'write JSON (default: YAML)' }],
    help: help.convertHelp,
    run: async ([module], flags, context) => (await import('./run-convert.ts')).runConvert(module, flags, context),
  },
]
