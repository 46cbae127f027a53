import { createAuthority, type Authority, type AuthorityOptions } from '@countersign/testkit'

/*
 * A partner whose authority is named like ours, or like our intermediate: names are public, and so are key identifiers.
 */

/** A partner's authority that a single store for all trust domains would confuse with ours. */
export interface Collision {
  readonly name: string
  readonly partner: Authority
}

/** All ways in which a partner's authority can be confused with `root` or with its `intermediate`. */
export async function createCollisions(root: Authority, intermediate: Authority): Promise<readonly Collision[]> {
  const collisions: Collision[] = []
  for (const [name, commonName, { keyId }] of [
    ['our root', 'saas.example X.509 authority', root.key],
    ['our intermediate', 'saas.example intermediate', intermediate.key],
  ] as const) {
    const ids: Readonly<Record<string, AuthorityOptions>> = {
      'a key identifier of its own': {},
      'no key identifier': { keyIdentifiers: false },
      'our key identifier': { keyIdentifiers: false, extensions: [subjectKeyIdentifier(keyId)] },
    }
    for (const [id, options] of Object.entries(ids)) {
      const partner = await createAuthority('partner.example', { name: commonName, ...options })
      collisions.push({ name: `the name of ${name} and ${id}`, partner })
    }
  }
  return collisions
}

function subjectKeyIdentifier(keyId: string): { readonly oid: string; readonly value: Buffer } {
  return { oid: '2.5.29.14', value: Buffer.concat([Buffer.from([4, keyId.length / 2]), Buffer.from(keyId, 'hex')]) }
}
