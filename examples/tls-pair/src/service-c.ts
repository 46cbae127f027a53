import type { Server } from 'node:tls'
import { createTlsServer } from '@countersign/client'
import { CallError, type CountersignEvent, type X509Source } from '@countersign/core'
import { askServiceB } from './service-a.ts'
import { greeting } from './service-b.ts'

/** What service-c receives from service-b, which does not list it as a caller: nothing. */
export async function callAsServiceC(source: X509Source, port: number): Promise<string> {
  try {
    const { answer } = await askServiceB(source, port, 'service-c')
    return answer
  } catch (error) {
    // In TLS 1.3 a caller's handshake may complete before its connection closes.
    if (error instanceof Error && 'code' in error && error.code === 'ECONNRESET') return ''
    if (error instanceof CallError && error.code === 'server_unreachable') return ''
    throw error
  }
}

/**
 * Creates service-c, which takes the place of service-b: it has its own SVID, sends the same greeting, and accepts
 * every caller.
 */
export function createImpostor(source: X509Source, log: (event: CountersignEvent) => void): Server {
  const callers = [`spiffe://${source.current.svid.spiffeId.trustDomain}/**`]
  return createTlsServer(source, { callers, log }, (socket) => socket.end(`${greeting}\n`))
}
