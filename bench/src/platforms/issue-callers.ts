import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { MaterialInput } from '@countersign/core'
import { createAuthority, createKey } from '@countersign/testkit'
import { callerId } from '../workload.ts'

/** The certificates of one run. */
export interface Callers {
  readonly server: MaterialInput
  /** The key of all callers: only their certificates have to be distinct. */
  readonly keyPem: string
  /** Chains of the caller on the list, each with another certificate, PEM. */
  readonly chains: readonly string[]
  /** The chain of a caller that is on no list. */
  readonly stranger: string
}

/** Issues the certificates, and writes those of the server into a folder for programs that read files. */
export async function issueCallers(count: number, folder: string): Promise<Callers> {
  const root = await createAuthority('saas.example')
  const issuer = await root.intermediate()
  const key = await createKey('P-256')
  const issue = async (id: string): Promise<string> => (await issuer.issue(id, { key, ttlSeconds })).certificatePem
  const own = await issuer.issue('spiffe://saas.example/ns/production/sa/billing', { ttlSeconds })
  await writeFile(join(folder, 'key.pem'), own.keyPem, { mode: 0o600 })
  await writeFile(join(folder, 'cert.pem'), own.certificatePem)
  await writeFile(join(folder, 'ca.pem'), root.bundlePem)
  const chains: string[] = []
  while (chains.length < count) chains.push(await issue(callerId))
  return {
    server: { key: own.keyPem, cert: own.certificatePem, bundles: { 'saas.example': root.bundlePem } },
    keyPem: key.pem,
    chains,
    stranger: await issue('spiffe://saas.example/ns/production/sa/analytics'),
  }
}

// Longer than the suite takes: near its end a certificate would change the answers.
const ttlSeconds = 6 * 3600
