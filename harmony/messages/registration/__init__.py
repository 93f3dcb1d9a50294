"""Registration messages: their texts, what fills them, who gets one."""
