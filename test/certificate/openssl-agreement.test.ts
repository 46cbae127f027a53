import assert from 'node:assert/strict'
import { execFile, spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'node:test'
import { decodeCertificate } from '../../packages/spiffe/src/certificate/decode.ts'
import { verifyPath } from '../../packages/spiffe/src/certificate/path.ts'
import { toPem } from '../../packages/spiffe/src/certificate/pem.ts'
import { scale } from '../support/long.ts'
import { createHierarchy, type Hierarchy } from './chains.ts'
import { clientAuth, now } from './issue.ts'
import { createRandom } from './random.ts'

/*
 * Chains that OpenSSL accepts and we deliberately refuse: the trait of the chain, and the reason. There is no list for
 * the opposite case, because we refuse all of these chains that OpenSSL refuses.
 *
 * Not among the chains, because the two ask different questions there: the leaf's key usage (svid/ judges it), issuers
 * of one name without key identifiers (OpenSSL tries the first one only), the very second of notAfter (valid by RFC 5280 §4.1.2.5, over for OpenSSL), any usage on an
 * issuer (good for every purpose by RFC 5280 §4.2.1.12, not for OpenSSL's), and e-mail addresses in a subject that
 * are no IA5String (OpenSSL refuses them below every name constraint, we below those for e-mail).
 */
const stricter: readonly (readonly [trait: RegExp, reason: string])[] = [
  [/^unknown extension twice/, 'a certificate must not include an extension twice (RFC 5280 §4.2)'],
  [/^version 1 \(/, 'extensions exist in version 3 only (RFC 5280 §4.1.2.9)'],
  [/^version 1 without extensions \(root/, 'OpenSSL takes a self-signed certificate of version 1 for a CA (§6.1.4 k)'],
  [/^no basicConstraints/, 'OpenSSL takes keyCertSign alone for a CA; RFC 5280 §4.2.1.9 does not'],
  [/^NUL in a name/, 'a NUL ends a name for some readers only'],
  [/^key of (P-224|Ed448)/, 'only P-256, P-384, P-521, Ed25519 and RSA are listed'],
  [/^URI with an address/, 'under a URI constraint a URI needs a host name (RFC 5280 §4.2.1.10)'],
  [/^URI with userinfo/, 'where the host begins after userinfo is read in two ways'],
  [/^wildcard/, 'a wildcard may match excluded names'],
  [/^DNS name with a final period/, 'no preferred name syntax (RFC 5280 §4.2.1.6)'],
  [/^DNS subtree with a leading period/, 'excludes the name itself too'],
  [/^common name like a host name/, 'OpenSSL only checks common names if there is no DNS name'],
]

// Each hierarchy has ten chains. openssl is started once for each set.
const hierarchies = scale(30, 240)

const openssl = spawnSync('openssl', ['version'], { encoding: 'utf8' })
const skip = openssl.status === 0 ? false : 'no openssl on the PATH'

test(
  `is never more permissive than openssl verify over ${10 * hierarchies} chains, and stricter only for named reasons`,
  { skip },
  async (t) => {
    const random = createRandom(20_260_601)
    const outcomes = { accepted: 0, refused: 0, stricter: new Map<string, number>() }
    for (let index = 0; index < hierarchies; index += 1) {
      const hierarchy = createHierarchy(random)
      const theirs = await askOpenssl(hierarchy)
      for (const [position, leaf] of hierarchy.leaves.entries()) {
        const ours = askOurselves(hierarchy, leaf.der)
        const traits = [...hierarchy.traits, ...leaf.traits]
        const about = `hierarchy ${index}, leaf ${position}: ${traits.join(', ')}; ours: ${ours}`
        assert.ok(ours !== 'ok' || theirs.has(position), `looser than openssl in ${about}`)
        if (ours === 'ok') outcomes.accepted += 1
        else outcomes.refused += 1
        if (ours === 'ok' || !theirs.has(position)) continue
        const [pattern] = stricter.find(([candidate]) => traits.some((trait) => candidate.test(trait))) ?? []
        assert.ok(pattern !== undefined, `stricter than openssl without a reason in ${about}`)
        outcomes.stricter.set(pattern.source, (outcomes.stricter.get(pattern.source) ?? 0) + 1)
      }
    }
    t.diagnostic(`${openssl.stdout.trim()}: ${outcomes.accepted} accepted, ${outcomes.refused} refused`)
    for (const [trait, count] of outcomes.stricter) t.diagnostic(`stricter in ${count} chains: ${trait}`)
    assert.ok(
      outcomes.accepted > 2 * hierarchies && outcomes.refused > 2 * hierarchies,
      'too many or too few chains are valid for the test to mean anything',
    )
  },
)

function askOurselves({ authorities, intermediates }: Hierarchy, leaf: Buffer): string {
  try {
    const verdict = verifyPath({
      leaf: decodeCertificate(leaf),
      intermediates: intermediates.map((der) => decodeCertificate(der)),
      authorities: authorities.map((der) => decodeCertificate(der)),
      usage: clientAuth,
      now,
    })
    return verdict.ok ? 'ok' : verdict.reason
  } catch (error) {
    return String(error)
  }
}

/** Returns the positions of the leaves that `openssl verify` accepts. */
async function askOpenssl({ authorities, intermediates, leaves }: Hierarchy): Promise<ReadonlySet<number>> {
  const folder = mkdtempSync(join(tmpdir(), 'countersign-'))
  try {
    const write = (file: string, certificates: readonly Buffer[]): string => {
      writeFileSync(join(folder, file), certificates.map((der) => toPem({ der })).join(''))
      return join(folder, file)
    }
    const untrusted = intermediates.length === 0 ? [] : ['-untrusted', write('untrusted', intermediates)]
    const files = leaves.map(({ der }, position) => write(`leaf-${position}`, [der]))
    const options = ['-purpose', 'sslclient', '-attime', String(now / 1000), '-auth_level', '2', '-partial_chain']
    const trusted = ['-no-CApath', '-no-CAstore', '-CAfile', write('trusted', authorities)]
    const output = await run(['verify', ...options, ...trusted, ...untrusted, ...files])
    return new Set([...leaves.keys()].filter((position) => output.includes(`leaf-${position}: OK`)))
  } finally {
    rmSync(folder, { recursive: true })
  }
}

/** The output of openssl. Its exit code is useless, because it fails as soon as one certificate is rejected. */
async function run(parameters: readonly string[]): Promise<string> {
  return new Promise((resolve) => {
    execFile('openssl', parameters, (_, output) => {
      resolve(output)
    })
  })
}
