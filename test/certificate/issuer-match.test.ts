import assert from 'node:assert/strict'
import test from 'node:test'
import { decodeCertificate } from '../../packages/spiffe/src/certificate/decode.ts'
import { isNamedIssuer } from '../../packages/spiffe/src/certificate/issuer-match.ts'
import { entity, issueAuthority, issueLeaf } from './issue.ts'

const root = entity('root', 'P-256', 1)
const other = entity('other', 'P-256', 1)
const leaf = decodeCertificate(issueLeaf(entity('leaf', 'P-256', 2), { by: root }))

test('matches an issuer by name only, whatever its key', () => {
  assert.equal(isNamedIssuer(decodeCertificate(issueAuthority(root)), leaf), true)
  assert.equal(isNamedIssuer(decodeCertificate(issueAuthority(other)), leaf), false)
})
