import { connectTls } from '@countersign/client'
import type { X509Source } from '@countersign/core'

/** Calls a server with any SPIFFE ID, and returns the server's ID. */
export async function dial(source: X509Source, address: string): Promise<{ readonly spiffe_id: string }> {
  const { hostname, port } = new URL(`tls://${address}`)
  const socket = await connectTls(source, {
    servers: [...source.current.bundles.keys()].map((trustDomain) => `spiffe://${trustDomain}/**`),
    host: hostname.replace(/^\[(.*)\]$/, '$1'),
    port: Number(port),
    tls: { minVersion: 'TLSv1.2' },
  })
  socket.destroy()
  return { spiffe_id: socket.principal?.name ?? '' }
}
