/** A plugin of typedoc: keeps the class that `@throws {ConfigurationError} …` names, which typedoc drops. */
import { Converter } from 'typedoc'
import ts from 'typescript'

export function load(app) {
  app.converter.on(Converter.EVENT_CREATE_SIGNATURE, (_context, signature, declaration) => {
    if (declaration === undefined || signature.comment === undefined) return
    const named = ts.getJSDocTags(declaration).filter(({ tagName }) => /^throws$/i.test(tagName.text))
    for (const [index, tag] of signature.comment.getTags('@throws').entries()) {
      const text = named[index]?.typeExpression?.type.getText()
      if (text !== undefined) tag.content.unshift({ kind: 'code', text: `\`${text}\`` }, { kind: 'text', text: ' ' })
    }
  })
}
