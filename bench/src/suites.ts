import { measureAttribution } from './attribution/measure-attribution.ts'
import { measureCredentials } from './credential/measure-credentials.ts'
import { measureFewFunctions, measureFunctions } from './function/measure-functions.ts'
import { measureFewHandshakes, measureHandshakes } from './handshake/measure-handshakes.ts'
import type { Progress } from './measure/progress.ts'
import { measureMemory } from './memory/measure-memory.ts'
import { measureOutgoing } from './outgoing/measure-outgoing.ts'
import { measurePlatforms } from './platforms/measure-platforms.ts'
import type { Table } from './report/result.ts'
import { measureFewRequests, measureRequests } from './request/measure-requests.ts'
import { measureRotations } from './rotation/measure-rotations.ts'
import { measureStarts } from './start/measure-starts.ts'

/** One part of `npm run bench`. */
export interface Suite {
  readonly name: string
  /** The introduction above its tables in RESULTS.md. */
  readonly intro: string
  /** Yields each table as soon as it is measured. */
  readonly measure: Measure
  /** The part that `--quick` measures; absent if there is none. */
  readonly measureQuickly?: Measure
}

/** Runs the measurement and records its progress. */
export type Measure = (progress: Progress) => AsyncIterable<Table>

/** All parts, in execution order. */
export const suites: readonly Suite[] = [
  {
    name: 'request',
    intro:
      "The server's processor time for each request over kept mTLS connections, each of which waits for a response before it sends the next request.",
    measure: measureRequests,
    measureQuickly: measureFewRequests,
  },
  {
    name: 'attribution',
    intro:
      'What Countersign adds, split by servers that do only a part of it. The parts overlap, and each has its own uncertainty, so their sum matches the whole only roughly.',
    measure: measureAttribution,
  },
  {
    name: 'function',
    intro: 'Repeated calls in a separate process, for a request that has arrived over mTLS.',
    measure: measureFunctions,
    measureQuickly: measureFewFunctions,
  },
  {
    name: 'credential',
    intro: 'The same calls, by what proves the caller.',
    measure: measureCredentials,
    measureQuickly: measureCredentials,
  },
  {
    name: 'handshake',
    intro:
      "The server's processor time for each new connection over TLS 1.3: a full handshake with certificates on both sides, and the close; no request. *Never seen*: every connection presents another certificate.",
    measure: measureHandshakes,
    measureQuickly: measureFewHandshakes,
  },
  {
    name: 'rotation',
    intro: 'How soon a new SVID is served. Connections that are open stay open.',
    measure: measureRotations,
  },
  {
    name: 'memory',
    intro:
      'The memory that Countersign uses for open connections and for caches, and whether many connections cost more each.',
    measure: measureMemory,
  },
  {
    name: 'start',
    intro: 'How much longer a service takes to start.',
    measure: measureStarts,
  },
  {
    name: 'outgoing',
    intro: "The client's processor time for each request that it sends over mTLS, including the response.",
    measure: measureOutgoing,
  },
  {
    name: 'platforms',
    intro:
      'The overhead of SPIFFE authentication and authorization on other platforms, beside that of Countersign: each guarded server against the same server with mTLS alone. The figures are processor time of the server for each request or connection. Compare the ratios, because the servers differ in what else they do.',
    measure: measurePlatforms,
  },
]
