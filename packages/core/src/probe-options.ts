import { isRecord, parseOptions, parseStringList, refuseValue } from '@countersign/spiffe/options'

/**
 * What a path answers for. `live`: 200 as long as the process answers, whatever its certificate, since no restart renews
 * one. `ready`: 200 while `guard.health().isServing`, else 503. A function adds the application's own check to `ready`:
 * it is asked only while that holds, and 503 is answered unless it gives true within five seconds. It runs once at a time
 * and at most ten times a second; beyond that, and for the first of more than 256 clients that wait, the last result
 * is the answer.
 */
export type Probe = 'live' | 'ready' | (() => boolean | Promise<boolean>)

/** Where probes come in and what they ask. */
export interface ProbeOptions {
  /** From 0 to 65535; 0 takes a free one. No default: the probes of the workload's manifest name it. */
  readonly port: number
  /**
   * The address to listen on. Default: all of them, because a kubelet probes from outside the pod. That is safe since a
   * stranger learns one word, alive or ready, and no path leads from here to the application.
   */
  readonly host?: string
  /**
   * The paths that are answered, byte for byte, a query aside; each asks what its value says, and all of a plain list
   * ask `ready`.
   */
  readonly paths: readonly string[] | Readonly<Record<string, Probe>>
}

/** Options that cannot be wrong any more. */
export interface ParsedProbeOptions {
  readonly port: number
  readonly host: string | undefined
  readonly paths: ReadonlyMap<string, Probe>
}

/**
 * Checks every option.
 *
 * @throws {ConfigurationError} `option_invalid` or `option_unknown`
 */
export function parseProbeOptions(input: unknown): ParsedProbeOptions {
  const { port, host, paths } = parseOptions(input, ['port', 'host', 'paths'], 'probeListener')
  if (typeof port !== 'number' || !Number.isInteger(port) || port < 0 || port > 65_535) {
    return refuseValue('probeListener: port', port, 'a whole number from 0 to 65535')
  }
  if (host !== undefined && (typeof host !== 'string' || host === '')) {
    return refuseValue('probeListener: host', host, 'an address of this machine, or none for all of them')
  }
  return { port, host, paths: parsePaths(paths) }
}

function parsePaths(input: unknown): ReadonlyMap<string, Probe> {
  if (!isRecord(input) && !Array.isArray(input)) {
    return refuseValue(
      'probeListener: paths',
      input,
      "{ '/livez': 'live', '/readyz': 'ready' }, or a list of paths that all ask 'ready'",
    )
  }
  const entries = isRecord(input)
    ? Object.entries(input)
    : parseStringList(input, 'probeListener: paths').map((path) => [path, 'ready'] as const)
  if (entries.length === 0) return refuseValue('probeListener: paths', input, 'one with at least one path')
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
