import assert from 'node:assert/strict'
import type { TestSvid } from '@countersign/testkit'
import type { PeerVerdict } from '../../packages/core/src/connection/connection.ts'
import type { Proof } from '../../packages/core/src/connection/proof.ts'
import { VerdictCache } from '../../packages/core/src/connection/verdict-cache.ts'
import type { PeerTrust } from '../../packages/spiffe/src/trust/peer-trust.ts'
import { createSvidTrust } from '../../packages/spiffe/src/svid/svid-trust.ts'
import type { X509Bundle } from '../../packages/spiffe/src/trust/bundle.ts'
import { authority, bundlesOf } from '../svid/claims.ts'

/** Contains only the authority of saas.example. */
export const bundles = bundlesOf(authority)

/** Presents chains to one cache, and counts how often it had to read one. */
export class Presenter {
  readonly cache: VerdictCache
  reads = 0

  constructor(cache: VerdictCache = new VerdictCache()) {
    this.cache = cache
  }

  present({ certificates }: Pick<TestSvid, 'certificates'>, changed: Changed = {}): PeerVerdict {
    const { now = Date.now(), ...trusted } = changed
    const { trust = createSvidTrust(trusted.bundles ?? bundles) } = trusted
    const [leafDer] = certificates
    assert.ok(leafDer)
    const readChain = () => {
      this.reads += 1
      return certificates
    }
    return this.cache.verify({ leafDer, readChain, trust, additional: [], now })
  }

  verifyAgain(proof: Proof, renewed: ReadonlyMap<string, X509Bundle>): PeerVerdict {
    return this.cache.verifyAgain(proof, { trust: createSvidTrust(renewed), additional: [], now: Date.now() })
  }
}

/** Differences from the default setup. */
interface Changed {
  readonly bundles?: ReadonlyMap<string, X509Bundle>
  /** Default: a new one for the bundles. */
  readonly trust?: PeerTrust<Proof>
  readonly now?: number
}

/** Returns the proof of an accepted peer. */
export function proofOf(verdict: PeerVerdict): Proof {
  assert.ok(verdict.ok, reasonOf(verdict))
  return verdict.proof
}

export function reasonOf(verdict: PeerVerdict): string {
  return verdict.ok ? 'ok' : verdict.reason
}
