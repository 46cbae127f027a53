import { TLSSocket } from 'node:tls'
import { callerId } from './workload.ts'

/** The check that one writes without a library: is the peer of this socket on the list of this path? */
export function isListed(socket: object, path: string): boolean {
  if (!(socket instanceof TLSSocket) || !socket.authorized) return false
  const { subjectaltname = '' } = socket.getPeerCertificate()
  const uris = subjectaltname.split(', ').filter((name) => name.startsWith('URI:'))
  const [uri, ...others] = uris
  return uri !== undefined && others.length === 0 && lists.get(path)?.has(uri.slice('URI:'.length)) === true
}

const lists = new Map([['/internal/billing/invoices', new Set([callerId])]])
