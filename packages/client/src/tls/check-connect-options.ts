import { ConfigurationError } from '@countersign/core'
import { describeValue, isCallable, parseStringList } from '@countersign/core/adapter'
import type { ConnectTlsOptions } from './connect-tls.ts'

/**
 * Checks where to connect to.
 *
 * @throws {ConfigurationError} `option_invalid`
 */
export function checkConnectOptions({ host, port, servername, protocols, signal, onStale }: ConnectTlsOptions): void {
  if (typeof host !== 'string' || !/^[^/\s]+$/.test(host)) refuse('host', host, 'a host name or an address')
  if (!Number.isInteger(port) || port < 1 || port > 65_535) refuse('port', port, 'a port from 1 to 65535')
  if (servername !== undefined && typeof servername !== 'string') refuse('servername', servername, 'a host name')
  if (onStale !== undefined && !isCallable(onStale)) refuse('onStale', onStale, 'a function')
  if (signal !== undefined && !(signal instanceof AbortSignal)) refuse('signal', signal, 'an AbortSignal')
  if (protocols !== undefined) parseStringList(protocols, 'connectTls: protocols')
}

function refuse(option: string, found: unknown, expected: string): never {
  const message = `connectTls: ${option}: found ${describeValue(found)}, expected ${expected}`
  throw new ConfigurationError('option_invalid', message, { value: found })
}
