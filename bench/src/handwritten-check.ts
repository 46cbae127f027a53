import type { TLSSocket } from 'node:tls'
import { callerId } from './workload.ts'

/** The check that one writes without a library: is the peer of this socket on the list of this path? */
export function isListed(socket: object, path: string): boolean {
  if (!isTlsSocket(socket) || !socket.authorized) return false
  const { subjectaltname = '' } = socket.getPeerCertificate()
  return isListedName(subjectaltname, path)
}

/** The same for middleware that brings the certificate. */
export function isListedName(subjectaltname: string, path: string): boolean {
  const uris = subjectaltname.split(', ').filter((name) => name.startsWith('URI:'))
  const [uri, ...others] = uris
  return uri !== undefined && others.length === 0 && lists.get(path)?.has(uri.slice('URI:'.length)) === true
}

const lists = new Map([['/internal/billing/invoices', new Set([callerId])]])

// On HTTP/2 it is a stand-in, which is no instance of TLSSocket and passes these calls through.
function isTlsSocket(socket: object): socket is TLSSocket {
  return 'getPeerCertificate' in socket && 'authorized' in socket
}
