import { ConfigurationError, SpiffeId } from '@countersign/core'
import { describeThrown, isRecord, parseStringList } from '@countersign/spiffe/options'
import { type PlacedValue, readValue } from './read-input.ts'

/**
 * Reads the further authorities of callers: a mapping of SPIFFE IDs to lists. Other callers have none.
 *
 * @throws {ConfigurationError} `option_invalid`
 */
export async function readAuthorities(file: string): Promise<(id: string) => readonly string[]> {
  const found = await readValue('--authorities', file)
  if (!isRecord(found.value)) refuse(found, [], 'found no mapping, expected SPIFFE IDs and their authorities')
  const held = new Map<string, readonly string[]>()
  for (const [id, list] of Object.entries(found.value)) {
    try {
      held.set(SpiffeId.parse(id).toString(), parseStringList(list, id))
    } catch (error) {
      refuse(found, [id], describeThrown(error))
    }
  }
  return (id) => held.get(id) ?? []
}

function refuse({ placeOf }: PlacedValue, path: readonly string[], message: string): never {
  throw new ConfigurationError('option_invalid', `--authorities: ${placeOf(path)}: ${message}`)
}
