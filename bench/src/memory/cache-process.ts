/**
 * Presents more and more workloads to a guard, each with a different certificate, and answers with the bytes on its
 * heap after each of the requested numbers. Uses the testkit's entry point without TLS, because 100,000 handshakes take
 * minutes.
 */
import { createPrivateKey, sign } from 'node:crypto'
import { authenticated, createGuard, staticSource } from '@countersign/core'
import { forAdapter, isDenial } from '@countersign/core/adapter'
import { injectedCaller, type InjectingSource } from '@countersign/core/testing'
import { createAuthority } from '@countersign/testkit'
import { answerMessages, hasNames } from '../measure/child-process.ts'
import type { CacheTask } from './measure-cache.ts'

answerMessages(hasNames<CacheTask>('counts'), async ({ counts }) => ({
  answer: await measure(counts),
  next: () => undefined,
}))

async function measure(counts: readonly number[]): Promise<readonly (readonly number[])[]> {
  // Its signatures always have the same length, so that a certificate can be changed by overwriting bytes.
  const authority = await createAuthority('saas.example', { keyType: 'Ed25519' })
  const key = createPrivateKey(authority.keyPem)
  const { certificates } = await authority.issue(`spiffe://saas.example/ns/production/sa/${nameOf(0)}`)
  const own = await authority.issue('spiffe://saas.example/ns/production/sa/billing')
  const [pattern = Buffer.alloc(0)] = certificates
  let leaf = pattern
  const source: InjectingSource = {
    ...openSource({ key: own.keyPem, cert: own.certificatePem, bundles: { 'saas.example': authority.bundlePem } }),
    [injectedCaller]: () => [leaf],
  }
  const guard = createGuard({ source, rules: [{ path: '/**', allow: authenticated() }] })
  const show = (index: number): void => {
    leaf = rewrite(pattern, index, (bytes) => sign(null, bytes, key))
    const headers = { host: 'billing' }
    const verdict = forAdapter(guard).admit({
      method: 'GET',
      url: '/internal',
      httpVersionMajor: 1,
      headers,
      rawHeaders: ['Host', 'billing'],
      socket: {},
    })
    if (isDenial(verdict))
      throw new Error(`found a denial (${verdict.detail}), expected ${nameOf(index)} to be allowed`)
    if (!verdict.name.endsWith(nameOf(index))) throw new Error(`found ${verdict.name}, expected ${nameOf(index)}`)
  }
  show(0)
  const before = readHeap()
  let shown = 1
  return counts.map((count) => {
    for (; shown < count; shown += 1) show(shown)
    return Array.from({ length: 3 }, () => (readHeap() - before) / 2 ** 20)
  })
}

function openSource(material: Parameters<typeof staticSource>[0]): Omit<InjectingSource, typeof injectedCaller> {
  const source = staticSource(material)
  return {
    current: source.current,
    onUpdate: (listener) => source.onUpdate(listener),
    close: () => source.close(),
    [Symbol.asyncDispose]: () => source.close(),
  }
}

function nameOf(index: number): string {
  return `worker-${String(index).padStart(6, '0')}`
}

/** The same certificate with another name and signature. */
function rewrite(pattern: Buffer, index: number, signBytes: (bytes: Buffer) => Buffer): Buffer {
  const der = Buffer.from(pattern)
  der.write(nameOf(index), der.indexOf(nameOf(0)), 'latin1')
  // Certificate ::= SEQUENCE { tbsCertificate SEQUENCE, … }, both with two-byte lengths at this size.
  const length = 4 + der.readUInt16BE(4 + 2)
  signBytes(der.subarray(4, 4 + length)).copy(der, der.length - 64)
  return der
}

function readHeap(): number {
  for (let time = 0; time < 3; time += 1) globalThis.gc?.()
  const { heapUsed, external } = process.memoryUsage()
  return heapUsed + external
}
