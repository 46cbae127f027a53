import assert from 'node:assert/strict'
import { test } from 'node:test'
import { commonName } from '@countersign/core'
import { chooseOpensslVerdict, hidesIntermediates } from '../../packages/core/src/connection/openssl-verdict.ts'

const localTrustDomain = 'saas.example'
const workloads = (...trustDomains: readonly string[]) => ({ kind: 'spiffe', localTrustDomain, trustDomains }) as const
const servers = (...trustDomains: readonly string[]) =>
  ({ kind: 'servers', localTrustDomain, trustDomains, isExpected: () => true, expected: '' }) as const
const subject = { kind: 'subject', identity: commonName({ authorities: { 'core-api': [] } }) } as const

const visible = '20.20.2'
const hidden = '24.21.0'

test('requires OpenSSL to accept callers of one trust domain or one CA, if Node shows their intermediates', () => {
  assert.equal(chooseOpensslVerdict(workloads('saas.example'), visible), 'required')
  assert.equal(chooseOpensslVerdict(workloads('partner.example'), visible), 'required')
  assert.equal(chooseOpensslVerdict(workloads('saas.example', 'saas.example'), visible), 'required')
  assert.equal(chooseOpensslVerdict(subject, visible), 'required')
  assert.equal(chooseOpensslVerdict(workloads('saas.example', 'partner.example'), visible), 'unused')
  assert.equal(chooseOpensslVerdict(workloads('saas.example'), hidden), 'unused')
  assert.equal(chooseOpensslVerdict(subject, hidden), 'unused')
})

test('requires OpenSSL to accept servers of one trust domain, on every version of Node', () => {
  for (const version of [visible, hidden]) {
    assert.equal(chooseOpensslVerdict(servers('partner.example'), version), 'required')
    assert.equal(chooseOpensslVerdict(servers('saas.example', 'partner.example'), version), 'unused')
    assert.equal(chooseOpensslVerdict({ kind: 'own' }, version), 'required')
  }
})

test("knows which versions of Node show a server only the caller's leaf", () => {
  for (const version of ['24.21.0', '24.22.1', '26.8.0', '26.8.0-alpha.0.0.0', '26.8.2']) {
    assert.equal(hidesIntermediates(version), true, version)
  }
  for (const version of [
    '20.19.0',
    '22.23.3',
    '22.26.0',
    '24.20.0',
    '25.9.0',
    '26.0.0',
    '26.7.0',
    '26.9.0',
    '26.10.0',
    '27.0.0',
  ]) {
    assert.equal(hidesIntermediates(version), false, version)
  }
})
