import type { TLSSocket } from 'node:tls'
import { callerId } from './workload.ts'

/** A typical handwritten check: is the peer of this socket on the list for this path? */
export function isListed(socket: object, path: string): boolean {
  if (!isTlsSocket(socket) || !socket.authorized) return false
  const { subjectaltname = '' } = socket.getPeerCertificate()
  return isListedName(subjectaltname, path)
}

/** The same for middleware that passes the certificate. */
export function isListedName(subjectaltname: string, path: string): boolean {
  const uris = subjectaltname.split(', ').filter((name) => name.startsWith('URI:'))
  const [uri, ...others] = uris
  return uri !== undefined && others.length === 0 && lists.get(path)?.has(uri.slice('URI:'.length)) === true
}

const lists = new Map([['/internal/billing/invoices', new Set([callerId])]])

// On HTTP/2 the socket is a proxy that is not an instance of TLSSocket, but forwards these calls.
function isTlsSocket(socket: object): socket is TLSSocket {
  return 'getPeerCertificate' in socket && 'authorized' in socket
}
