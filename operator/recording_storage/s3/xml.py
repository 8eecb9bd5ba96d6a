"""Reading S3's documents: small trees of names and text, from servers that need not be friendly.

A document type is refused, so nothing can be declared that expands; length and depth are bounded.
"""

from dataclasses import dataclass, field
from xml.parsers import expat

_MAX_DEPTH = 32
_BEFORE = b"\xef\xbb\xbf \t\r\n"
"""What servers send before the declaration: blanks that keep a connection alive while they work, a byte order mark."""


class DocumentError(ValueError):
    """What came is no document that this reads."""


@dataclass
class Node:
    """An element: its name without namespace, its text, its children."""

    name: str
    text: str = ""
    children: list["Node"] = field(default_factory=list)

    def find(self, name: str) -> "Node | None":
        return next((child for child in self.children if child.name == name), None)

    def all(self, name: str) -> list["Node"]:
        return [child for child in self.children if child.name == name]

    def value(self, name: str) -> str:
        """The text of the child `name`, "" when there is none."""
        child = self.find(name)
        return child.text.strip() if child is not None else ""


def parse(document: bytes) -> Node:
    """Read a document.

    Raises:
        DocumentError: it is not well-formed, declares a type, or is too deep.
    """
    parser = expat.ParserCreate()
    parser.buffer_text = True
    root = Node("")
    stack = [root]

    def start(name: str, _attributes: dict[str, str]) -> None:
        if len(stack) > _MAX_DEPTH:
            raise DocumentError("a document nested too deeply")
        node = Node(name.rpartition(":")[2])
        stack[-1].children.append(node)
        stack.append(node)

    def end(_name: str) -> None:
        stack.pop()

    def data(text: str) -> None:
        stack[-1].text += text

    def doctype(*_declaration: object) -> None:
        raise DocumentError("a document that declares a type")

    parser.StartElementHandler = start
    parser.EndElementHandler = end
    parser.CharacterDataHandler = data
    parser.StartDoctypeDeclHandler = doctype
    try:
        parser.Parse(document.lstrip(_BEFORE), True)
    except expat.ExpatError as error:
        raise DocumentError(f"no XML: {expat.errors.messages[error.code]}") from error
    return root.children[0]


def error_of(document: Node) -> Node | None:
    """The error that a document is, in either form: `<Error>`, or `<ErrorResponse><Error>`."""
    if document.name == "Error":
        return document
    if document.name == "ErrorResponse":
        return document.find("Error") or document
    return None


def escaped(text: str) -> str:
    """Text for an element's content."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
