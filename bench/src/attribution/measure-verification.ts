import { verify, X509Certificate } from 'node:crypto'
import { issueLeaves } from '../handshake/issue-leaves.ts'
import { spreadOf } from '../measure/spread.ts'
import { staticSource, verifySvid } from '@countersign/spiffe'
import type { Table } from '../report/result.ts'

/** Measures the verification of certificates that were never seen, in a loop, and its largest part alone. */
export async function measureVerification(): Promise<Table> {
  const usual = { title: '', keyType: 'P-256', hasIntermediate: false, trustDomains: 1 } as const
  const { server, chains } = await issueLeaves(usual, { generations: 1, warmUp, rounds, turns: 1 }, perRound)
  const ders = chains.map((pem) => new X509Certificate(pem).raw)
  const source = staticSource(server)
  const { bundles } = source.current
  const authority = [...bundles.values()][0]?.authorities[0]
  if (authority === undefined) throw new Error('the source has no authority')
  const signed = ders.map((der) => {
    const verdict = verifySvid({ chain: [der], bundles, now: Date.now() })
    if (!verdict.ok) throw new Error(verdict.detail)
    return verdict.svid.leaf.signature
  })
  const whole = time((index) => verifySvid({ chain: [ders[index] ?? Buffer.alloc(0)], bundles, now: Date.now() }))
  const signature = time((index) => {
    const { signedBytes, value } = signed[index] ?? { signedBytes: Buffer.alloc(0), value: Buffer.alloc(0) }
    return verify('sha256', signedBytes, authority.publicKey, value)
  })
  await source.close()
  return {
    title: 'Verification of a certificate that was never seen, P-256, in a loop',
    rows: [
      { what: 'decoding, path and signature (verifySvid)', unit: 'µs', spread: spreadOf([whole]) },
      { what: 'the signature alone (crypto.verify)', unit: 'µs', spread: spreadOf([signature]) },
    ],
  }
}

const warmUp = 4
const rounds = 8
const perRound = 250

function time(call: (index: number) => unknown): readonly number[] {
  const values: number[] = []
  for (let round = 0; round < warmUp + rounds; round += 1) {
    const start = process.cpuUsage()
    for (let index = 0; index < perRound; index += 1) call(round * perRound + index)
    const { user, system } = process.cpuUsage(start)
    if (round >= warmUp) values.push((user + system) / perRound)
  }
  return values
}
