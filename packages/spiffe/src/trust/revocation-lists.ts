import { createHash, type KeyObject } from 'node:crypto'
import type { Certificate } from '../certificate/certificate.ts'
import type { Crl } from '../certificate/crl.ts'
import { type CrlVerdict, verifyCrlSignature } from '../certificate/verify-crl.ts'
import type { BundleFault } from './bundle-fault.ts'

/** Which certificates need a list of their issuer besides those whose issuer has one. */
export type CrlDemand = 'none' | 'below_intermediates' | 'all'

/** The certificate revocation lists that go with a bundle. Immutable but for what it remembers of its own checks. */
export class RevocationLists {
  readonly crls: readonly Crl[]
  readonly demand: CrlDemand
  /** Equal for the same lists with the same demand, whatever their order; empty for no list and no demand. */
  readonly fingerprint: string
  /** What is wrong with lists that were left out. */
  readonly faults: readonly BundleFault[]
  // A list is signed by one key, and to verify that again over 1 MiB takes longer than all of a chain.
  readonly #signers = new WeakMap<Crl, KeyObject>()

  constructor(crls: readonly Crl[], demand: CrlDemand, faults: readonly BundleFault[] = []) {
    this.crls = Object.freeze([...new Map(crls.map((crl) => [crl.sha256, crl])).values()])
    this.demand = demand
    this.fingerprint = this.crls.length === 0 && demand === 'none' ? '' : fingerprintLists(this.crls, demand)
    this.faults = faults
    Object.freeze(this)
  }

  /** Whether every certificate needs a list of its issuer. */
  get areRequired(): boolean {
    return this.demand === 'all'
  }

  /** The lists that this certificate's owner issued, stale ones too. */
  listIssued(issuer: Certificate): readonly Crl[] {
    return this.crls.filter((crl) => this.judge(crl, issuer) === 'valid')
  }

  /** As `verifyCrlSignature`, once for each list and the key that signed it. */
  judge(crl: Crl, issuer: Certificate): CrlVerdict {
    const verdict = verifyCrlSignature(crl, issuer, this.#signers.get(crl))
    if (verdict === 'valid') this.#signers.set(crl, issuer.publicKey)
    return verdict
  }
}

function fingerprintLists(crls: readonly Crl[], demand: CrlDemand): string {
  const content = crls.map(({ sha256 }) => sha256).toSorted()
  return createHash('sha256')
    .update(`${demand}\n${content.join('\n')}`)
    .digest('hex')
}
