import assert from 'node:assert/strict'
import test from 'node:test'
import { decodeCrl, readCrlOrigin } from '../../packages/spiffe/src/certificate/crl.ts'
import { verifyCrlSignature } from '../../packages/spiffe/src/certificate/verify-crl.ts'
import { isIssuedBy, isPossiblyIssuedBy } from '../../packages/spiffe/src/certificate/verify-once.ts'
import { entity, signer } from './issue.ts'
import { authority, root, rootCertificate } from './paths.ts'
import { encodeCrl } from './revocation-list.ts'
import { watchKey } from './watch-key.ts'

const ofRoot = { issuer: root.name, signer: signer(root.keys.privateKey) }

test('verifies the signature of a list once per key, whether or not it is valid', () => {
  const other = { ...entity('root', 'P-256', 3), name: root.name }
  const crl = decodeCrl(encodeCrl(ofRoot))
  for (const [by, verdict] of [
    [root, 'valid'],
    [other, 'foreign'],
  ] as const) {
    const certificate = authority(by)
    const countUses = watchKey(certificate)
    assert.deepEqual([verifyCrlSignature(crl, certificate), verifyCrlSignature(crl, certificate)], [verdict, verdict])
    assert.equal(countUses(), 1)
  }
})

test('uses a weak signature only as a hint to the owner of a list, never as proof', () => {
  const weak = { signer: signer(root.keys.privateKey, 'sha1'), issuer: root.name }
  const origin = readCrlOrigin(encodeCrl(weak))
  assert.ok(origin)
  assert.equal(isPossiblyIssuedBy(origin.signature, rootCertificate), true)
  assert.equal(isIssuedBy(origin.signature, rootCertificate), false)
})
