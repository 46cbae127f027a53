import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type ClientHttp2Session, connect as connectHttp2 } from 'node:http2'
import type { TLSSocket } from 'node:tls'
import type { TestSvid } from '@countersign/testkit'
import type { Service, Variant } from './frameworks.ts'

/** What a peer keeps open. */
export type LastingKind = 'idle connection' | 'long response' | 'server-sent events' | 'upgraded socket'

/** What a variant can keep open, each on its own connection. */
function lastingKinds({ http2 }: Variant): readonly LastingKind[] {
  const kinds = ['idle connection', 'long response', 'server-sent events'] as const
  return http2 ? kinds : [...kinds, 'upgraded socket']
}

/** A long-lived exchange on a connection, from the side of the peer. */
export interface Lasting {
  readonly kind: LastingKind
  readonly isOpen: () => boolean
  /** The time at which it ended, in epoch milliseconds. */
  readonly ended: Promise<number>
  /** Settles when more has arrived from the server; an idle connection sends a request for that. */
  readonly more: () => Promise<unknown>
}

/** Opens a connection and waits until its exchange has started. */
export function openLasting(service: Service, variant: Variant, svid: TestSvid, kind: LastingKind): Promise<Lasting> {
  return variant.http2 ? openStream(service, variant, svid, kind) : openSocket(service, svid, kind)
}

/** Opens one of each kind. */
export function openAllLasting(service: Service, variant: Variant, svid: TestSvid): Promise<readonly Lasting[]> {
  return Promise.all(lastingKinds(variant).map((kind) => openLasting(service, variant, svid, kind)))
}

/** An HTTP/2 session on its own connection. */
export async function openSession(service: Service, variant: Variant, svid: TestSvid): Promise<ClientHttp2Session> {
  const { tlsVersion } = variant
  const peer = service.running.as(svid, { minVersion: tlsVersion, maxVersion: tlsVersion })
  const socket = await peer.connect({ ALPNProtocols: ['h2'] })
  const session = connectHttp2(service.running.url, { createConnection: () => socket })
  return session.on('error', () => undefined)
}

const targets: Readonly<Record<LastingKind, string>> = {
  'idle connection': '/internal/health',
  'long response': '/internal/long',
  'server-sent events': '/internal/events',
  'upgraded socket': '/internal/socket',
}

async function openSocket(service: Service, svid: TestSvid, kind: LastingKind): Promise<Lasting> {
  const socket: TLSSocket = await service.as(svid).connect()
  const ended = new Promise<number>((resolve) => socket.once('close', () => resolve(Date.now())))
  const isUpgrade = kind === 'upgraded socket'
  const upgrade = isUpgrade ? 'Connection: Upgrade\r\nUpgrade: echo\r\n' : ''
  const ask = async (): Promise<unknown> => {
    socket.write(`GET ${targets[kind]} HTTP/1.1\r\nHost: a\r\n${upgrade}\r\n`)
    // Without a response there is a close.
    const received: unknown = await Promise.race([once(socket, 'data'), ended])
    return assert.match(String(received), isUpgrade ? /^HTTP\/1\.1 101 / : /^HTTP\/1\.1 200 /)
  }
  await ask()
  const more = (): Promise<unknown> => {
    if (kind === 'idle connection') return ask()
    if (isUpgrade) socket.write('more')
    return once(socket, 'data')
  }
  return { kind, isOpen: () => !socket.destroyed && !socket.readableEnded, ended, more }
}

async function openStream(service: Service, variant: Variant, svid: TestSvid, kind: LastingKind): Promise<Lasting> {
  const session = await openSession(service, variant, svid)
  const ask = async (): Promise<unknown> => {
    const stream = session.request({ ':path': targets[kind] })
    stream.resume()
    const answered = new Promise((resolve) => stream.once('response', (headers) => resolve(headers[':status'])))
    // Without a response there is a close, or an error, which `once` throws.
    assert.equal(await Promise.race([answered, once(stream, 'close')]), 200)
    if (!stream.readableEnded) await once(stream, 'end')
    return undefined
  }
  if (kind === 'idle connection') {
    const ended = new Promise<number>((resolve) => session.once('close', () => resolve(Date.now())))
    await ask()
    return { kind, isOpen: () => !session.closed && !session.destroyed, ended, more: ask }
  }
  const stream = session.request({ ':path': targets[kind] })
  stream.on('error', () => undefined)
  const ended = new Promise<number>((resolve) => stream.once('close', () => resolve(Date.now())))
  const more = (): Promise<unknown> => once(stream, 'data')
  await more()
  return { kind, isOpen: () => !stream.closed && !stream.readableEnded, ended, more }
}
