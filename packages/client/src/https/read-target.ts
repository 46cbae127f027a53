import type { LookupFunction } from 'node:net'
import { CallError } from '@countersign/core'
import { isRecord } from '@countersign/core/options'
import { describe, type Target } from '../connect.ts'

/**
 * Reads where a request goes out of what Node's agent is told of it. What would change who is trusted, or who we are, is
 * refused: here the source and `servers` decide that.
 *
 * @throws {CallError} `call_unsuitable`
 */
export function readTarget(options: unknown): Omit<Target, 'protocols' | 'timeoutMs'> {
  if (!isRecord(options)) throw new TypeError('found no options, expected those of a request')
  const { host, port, socketPath, servername, family, localAddress, lookup } = options
  const target = {
    host: typeof host === 'string' ? host : 'localhost',
    port: Number(port),
    path: typeof socketPath === 'string' ? socketPath : undefined,
    servername: typeof servername === 'string' ? servername : undefined,
    family: typeof family === 'number' ? family : undefined,
    localAddress: typeof localAddress === 'string' ? localAddress : undefined,
    lookup: isLookup(lookup) ? lookup : undefined,
  }
  if (options.method === 'CONNECT') refuse(target, 'CONNECT', 'a request of the service itself, not through a proxy')
  for (const name of decided) {
    if (options[name] !== undefined && options[name] !== null) refuse(target, name, 'that of the source')
  }
  if (options.rejectUnauthorized === false)
    refuse(target, 'rejectUnauthorized: false', 'none: every server is verified')
  return target
}

const decided = ['ca', 'cert', 'checkServerIdentity', 'key', 'passphrase', 'pfx', 'secureContext', 'session'] as const

function refuse(target: Pick<Target, 'host' | 'port' | 'path'>, found: string, expected: string): never {
  const server = describe(target)
  const message = `${server} was not called: found ${found} in the request, expected ${expected}`
  throw new CallError('call_unsuitable', message, { reason: 'option_refused', server })
}

function isLookup(value: unknown): value is LookupFunction {
  return typeof value === 'function'
}
