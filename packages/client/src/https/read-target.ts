import type { LookupFunction } from 'node:net'
import { checkServerIdentity } from 'node:tls'
import { CallError } from '@countersign/core'
import { isRecord } from '@countersign/core/adapter'
import { describe, type Target } from '../connect.ts'

/**
 * Reads the target of a request from the options that Node's agent receives. Refuses options that would change who is
 * trusted or which certificate is presented, because the source and `servers` decide that.
 *
 * @throws {CallError} `call_unsuitable`
 */
export function readTarget(options: unknown): Omit<Target, 'protocols' | 'timeoutMs'> {
  if (!isRecord(options)) throw new TypeError('found no options, expected the options of a request')
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
  if (options.method === 'CONNECT') refuse(target, 'CONNECT', 'a direct request to the service, not through a proxy')
  for (const name of decided) {
    // Some clients, such as got, pass Node's own check with every request.
    if (options[name] === checkServerIdentity || options[name] === refuseCopies) continue
    if (options[name] !== undefined && options[name] !== null) refuse(target, name, 'that of the source')
  }
  if (options.rejectUnauthorized === false)
    refuse(target, 'rejectUnauthorized: false', 'none, because every server is verified')
  return target
}

/**
 * Refuses connections of an agent that was created from a copy of our options. axios does that for a proxy that it
 * finds in the environment, and such an agent would not verify SPIFFE IDs.
 */
export function refuseCopies(): Error {
  return new CallError('call_unsuitable', copied, { reason: 'options_copied', server: 'the server' })
}

const copied =
  'found a connection that uses the options of our agent but was not made by it, so the server would not be verified; disable the proxy of the HTTP client, in axios with proxy: false'

const decided = ['ca', 'cert', 'checkServerIdentity', 'key', 'passphrase', 'pfx', 'secureContext', 'session'] as const

function refuse(target: Pick<Target, 'host' | 'port' | 'path'>, found: string, expected: string): never {
  const server = describe(target)
  const message = `${server} was not called: found ${found} in the request, expected ${expected}`
  throw new CallError('call_unsuitable', message, { reason: 'option_refused', server })
}

function isLookup(value: unknown): value is LookupFunction {
  return typeof value === 'function'
}
