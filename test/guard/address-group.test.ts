import assert from 'node:assert/strict'
import { test } from 'node:test'
import { addressGroup } from '../../packages/core/src/address-group.ts'

for (const [address, group] of [
  ['192.0.2.7', '192.0.2.7'],
  ['::ffff:192.0.2.7', '192.0.2.7'],
  ['::FFFF:192.0.2.7', '192.0.2.7'],
  ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2'],
  ['2001:db8:1:2::6', '2001:db8:1:2'],
  ['2001:db8::1', '2001:db8:0:0'],
  ['2001:db8::1:2:3:4:5', '2001:db8:0:1'],
  ['2001:0DB8:0001::', '2001:db8:1:0'],
  ['::1', '0:0:0:0'],
  ['::', '0:0:0:0'],
  ['64:ff9b::192.0.2.7', '64:ff9b:0:0'],
  ['1:2:3:4:5:6:192.0.2.7', '1:2:3:4'],
  ['fe80::1%eth0', 'fe80:0:0:0'],
  ['a socket', 'a socket'],
  [undefined, ''],
] as const) {
  test(`groups ${address ?? 'an unknown address'} as ${group === '' ? 'one of its own' : group}`, () => {
    assert.equal(addressGroup(address), group)
  })
}
