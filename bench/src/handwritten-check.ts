import type { TLSSocket } from 'node:tls'
import { callerId } from './workload.ts'

/** A typical handwritten check: is the peer of this socket on the list for this path? */
export function isListed(socket: object, path: string): boolean {
  return isListedId(readSpiffeId(socket), path)
}

/** The same for middleware that passes the certificate. */
export function isListedName(subjectaltname: string, path: string): boolean {
  return isListedId(parseUri(subjectaltname), path)
}

/** Reads the SPIFFE ID from the certificate of an authorized peer. */
export function readSpiffeId(socket: object): string | undefined {
  if (!isTlsSocket(socket) || !socket.authorized) return undefined
  const { subjectaltname = '' } = socket.getPeerCertificate()
  return parseUri(subjectaltname)
}

function parseUri(subjectaltname: string): string | undefined {
  const uris = subjectaltname.split(', ').filter((name) => name.startsWith('URI:'))
  const [uri, ...others] = uris
  return others.length === 0 ? uri?.slice('URI:'.length) : undefined
}

function isListedId(id: string | undefined, path: string): boolean {
  return id !== undefined && lists.get(path)?.has(id) === true
}

const lists = new Map([['/internal/billing/invoices', new Set([callerId])]])

// On HTTP/2 the socket is a proxy that is not an instance of TLSSocket, but forwards these calls.
function isTlsSocket(socket: object): socket is TLSSocket {
  return 'getPeerCertificate' in socket && 'authorized' in socket
}
