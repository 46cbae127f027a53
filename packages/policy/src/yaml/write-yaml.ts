import { COLLECTION_STYLE, dump, SCALAR_STYLE, visit } from 'js-yaml'

/**
 * Returns plain data as YAML without anchors. Omits fields that are undefined. Escapes invisible characters, so that
 * readers see them and terminals do not interpret them.
 */
export function writeYaml(value: unknown): string {
  const text = dump(withoutUndefined(value), {
    noRefs: true,
    lineWidth: 120,
    transform: (documents) => {
      visit(documents, (node) => {
        const isShort = node.kind === 'sequence' && node.items.every(({ kind }) => kind === 'scalar')
        if (isShort) node.style = COLLECTION_STYLE.FLOW
        // Only the double-quoted style has escapes.
        if (node.kind === 'scalar' && invisible.test(node.value)) node.style = SCALAR_STYLE.DOUBLE_QUOTED
      })
    },
  })
  return text.replaceAll(eachInvisible, escape)
}

/** Invisible characters except the line feed, which `dump` escapes or which ends a line of the text. */
const invisible = /[^\P{C}\n]|[\p{Zl}\p{Zp}]/u
const eachInvisible = new RegExp(invisible, 'gu')

function escape(character: string): string {
  return `\\U${(character.codePointAt(0) ?? 0).toString(16).padStart(8, '0')}`
}

function withoutUndefined(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutUndefined)
  if (typeof value !== 'object' || value === null) return value
  const fields = Object.entries(value).filter(([, each]) => each !== undefined)
  return Object.fromEntries(fields.map(([key, each]) => [key, withoutUndefined(each)]))
}
