"""What field names mean, for who shows exchanges: the table of message/fieldlore.py."""

from crlf.message.fieldlore import FieldLore, lore_of

__all__ = ["FieldLore", "lore_of"]
