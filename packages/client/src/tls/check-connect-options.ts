import { isCallable, parseStringList, refuseValue } from '@countersign/core/adapter'
import type { ConnectTlsOptions } from './connect-tls.ts'

/**
 * Validates where to connect.
 *
 * @throws {ConfigurationError} `option_invalid`
 */
export function checkConnectOptions({ host, port, servername, protocols, signal, onStale }: ConnectTlsOptions): void {
  if (typeof host !== 'string' || !/^[^/\s]+$/.test(host))
    refuseValue('connectTls: host', host, 'a host name or an address')
  if (!Number.isInteger(port) || port < 1 || port > 65_535)
    refuseValue('connectTls: port', port, 'a port from 1 to 65535')
  if (servername !== undefined && typeof servername !== 'string')
    refuseValue('connectTls: servername', servername, 'a host name')
  if (onStale !== undefined && !isCallable(onStale)) refuseValue('connectTls: onStale', onStale, 'a function')
  if (signal !== undefined && !(signal instanceof AbortSignal))
    refuseValue('connectTls: signal', signal, 'an AbortSignal')
  if (protocols !== undefined) parseStringList(protocols, 'connectTls: protocols')
}
