class FlyteEntities:
    entities = []
