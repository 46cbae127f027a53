import { isRecord, parseOptions, parseStringList, refuseValue } from '@countersign/spiffe/options'

/**
 * What a probe path answers.
 *
 * - `live`: 200 while the process answers, whatever its certificate, because a restart does not renew one.
 * - `ready`: 200 while `guard.health().isServing`, otherwise 503.
 * - A function: adds the application's own check to `ready`. It is called only while `ready` holds, and 503 is answered
 * unless it returns true within five seconds. It runs once at a time and at most ten times a second. Beyond that, and
 * for the longest waiting of more than 256 clients, the last result is the answer.
 */
export type Probe = 'live' | 'ready' | (() => boolean | Promise<boolean>)

/** Options of `guard.probeListener`. */
export interface ProbeOptions {
  /**
   * The port, from 0 to 65535; 0 takes a free one. There is no default, because the workload's manifest must contain
   * the port.
   */
  readonly port: number
  /**
   * The address to listen on. Default: all addresses, because a kubelet probes from outside the pod. That is safe,
   * because clients only receive whether the service is alive or ready, and cannot reach the application through this
   * port.
   */
  readonly host?: string
  /**
   * The paths to answer, compared byte for byte without the query. Each value determines the response of its path. In a
   * plain list, every path answers `ready`.
   */
  readonly paths: readonly string[] | Readonly<Record<string, Probe>>
}

/** Validated options. */
export interface ParsedProbeOptions {
  readonly port: number
  readonly host: string | undefined
  readonly paths: ReadonlyMap<string, Probe>
}

/**
 * Validates every option.
 *
 * @throws {ConfigurationError} `option_invalid` or `option_unknown`
 */
export function parseProbeOptions(input: unknown): ParsedProbeOptions {
  const { port, host, paths } = parseOptions(input, ['port', 'host', 'paths'], 'probeListener')
  if (typeof port !== 'number' || !Number.isInteger(port) || port < 0 || port > 65_535) {
    return refuseValue('probeListener: port', port, 'a whole number from 0 to 65535')
  }
  if (host !== undefined && (typeof host !== 'string' || host === '')) {
    return refuseValue('probeListener: host', host, 'an address of this machine; leave it out to listen on all of them')
  }
  return { port, host, paths: parsePaths(paths) }
}

function parsePaths(input: unknown): ReadonlyMap<string, Probe> {
  if (!isRecord(input) && !Array.isArray(input)) {
    return refuseValue(
      'probeListener: paths',
      input,
      "{ '/livez': 'live', '/readyz': 'ready' }, or a list of paths that all report 'ready'",
    )
  }
  const entries = isRecord(input)
    ? Object.entries(input)
    : parseStringList(input, 'probeListener: paths').map((path) => [path, 'ready'] as const)
  if (entries.length === 0) return refuseValue('probeListener: paths', input, 'at least one path')
  return new Map(
    entries.map(([path, probe]) => {
      if (!plainPath.test(path))
        return refuseValue('probeListener: paths', path, `a path such as '/readyz': ${alphabet}`)
      if (isProbe(probe)) return [path, probe]
      return refuseValue(`probeListener: paths['${path}']`, probe, "'live', 'ready' or a function")
    }),
  )
}

const plainPath = /^\/(?:[\w.~-]+\/)*[\w.~-]*$/
const alphabet = "it begins with '/' and has letters, digits and -._~ between single slashes, no query and no wildcard"

function isProbe(value: unknown): value is Probe {
  return value === 'live' || value === 'ready' || typeof value === 'function'
}
